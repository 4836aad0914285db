-- The login of an export. Over the admin's session in the register's database, as the creator of the tenant's roles,
-- who has joined its owner for that time. Placeholders are {name}: identifiers and literals, composed by psycopg2.sql.

-- name: make_login
CREATE ROLE {export_login} NOLOGIN NOINHERIT;

-- name: open_login
-- It owns nothing, and acts as the owner. CONNECT is its own: in a suspended tenant nobody else has it.
ALTER ROLE {export_login} LOGIN NOINHERIT CONNECTION LIMIT {connections} PASSWORD {verifier} VALID UNTIL {until};
GRANT {owner_role} TO {export_login};
GRANT CONNECT ON DATABASE {database} TO {export_login};

-- name: close_login
-- Its sessions cannot act as the owner any more.
ALTER ROLE {export_login} NOLOGIN PASSWORD NULL;
REVOKE {owner_role} FROM {export_login};

-- name: close_orphan
-- Its tenant has been removed.
ALTER ROLE {export_login} NOLOGIN PASSWORD NULL;

-- name: end_sessions_of_login
SELECT pg_terminate_backend(pid, 5000)
FROM pg_stat_activity
WHERE usename = {export_login_name} AND pid <> pg_backend_pid();

-- name: revoke_connect
REVOKE CONNECT ON DATABASE {database} FROM {export_login};

-- name: drop_login
DROP ROLE {export_login};
