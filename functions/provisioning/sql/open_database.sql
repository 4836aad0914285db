COMMENT ON DATABASE {database} IS {mark};
REVOKE ALL ON DATABASE {database} FROM PUBLIC;
GRANT CONNECT, TEMPORARY ON DATABASE {database} TO {login};
-- The login acts as the owner, so that what it creates belongs to the owner and outlives a change of credentials.
ALTER ROLE {login} IN DATABASE {database} SET role = {owner};
ALTER ROLE {login} IN DATABASE {database} SET search_path = tenant, public, extensions;
ALTER DATABASE {database} ALLOW_CONNECTIONS true;
