COMMENT ON DATABASE {database} IS {mark};
-- The login acts as the owner, so that what it creates belongs to the owner and outlives a change of credentials.
ALTER ROLE {login} IN DATABASE {database} SET role = {owner};
ALTER DATABASE {database} ALLOW_CONNECTIONS true;
