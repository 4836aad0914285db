-- Restore the access to a tenant's database. Over the admin's session in the register's database.
-- Placeholders are {name}: identifiers and literals, composed by psycopg2.sql.

-- name: revoke_all
REVOKE ALL ON DATABASE {database} FROM {grantee} CASCADE;

-- name: grant_privilege_with_option
GRANT {privilege} ON DATABASE {database} TO {grantee} WITH GRANT OPTION;

-- name: grant_privilege
GRANT {privilege} ON DATABASE {database} TO {grantee};

-- name: open_limits
ALTER DATABASE {database} ALLOW_CONNECTIONS {allow_connections};
ALTER DATABASE {database} CONNECTION LIMIT {limit};

-- name: open_login
ALTER ROLE {login} LOGIN;
