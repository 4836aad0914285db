REVOKE ALL ON DATABASE {database} FROM PUBLIC;
GRANT CONNECT, TEMPORARY ON DATABASE {database} TO {login};
-- The admin, who may enter as a member of the owner too: that PostgreSQL finds by going through all roles of all tenants.
GRANT CONNECT ON DATABASE {database} TO SESSION_USER;
ALTER ROLE {login} IN DATABASE {database} SET search_path = tenant, public, extensions;
