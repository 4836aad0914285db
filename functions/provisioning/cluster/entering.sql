-- How the admin enters a database whose owner has closed it. Over the admin's session in the register's database.
-- Placeholders are {name}: identifiers and literals, composed by psycopg2.sql.

-- name: find_access
SELECT pg_get_userbyid(datdba)::text AS owner, datallowconn AS allow_connections, datconnlimit AS connection_limit,
       has_database_privilege(session_user, oid, 'CONNECT') AS may_connect
FROM pg_database
WHERE datname = {database_name};

-- name: grant_connect_to_the_admin
GRANT CONNECT ON DATABASE {database} TO SESSION_USER;

-- name: open_to_the_admin
ALTER DATABASE {database} ALLOW_CONNECTIONS true CONNECTION LIMIT -1;

-- name: revoke_connect_from_the_admin
REVOKE CONNECT ON DATABASE {database} FROM SESSION_USER;

-- name: close_as_before
ALTER DATABASE {database} ALLOW_CONNECTIONS {allow_connections} CONNECTION LIMIT {connection_limit};
