REVOKE ALL ON DATABASE {database} FROM PUBLIC;
GRANT CONNECT, TEMPORARY ON DATABASE {database} TO {login};
ALTER ROLE {login} IN DATABASE {database} SET search_path = tenant, public, extensions;
