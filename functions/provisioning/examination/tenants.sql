-- What is asked about tenants on a cluster, and the statements that doctor prints for an operator to send. Placeholders are {name}:
-- identifiers and literals, composed by psycopg2.sql.

-- name: find_tenant_ids
-- Of which tenants anything exists on the server, by name.
SELECT substring(datname FROM 8) AS tenant_id FROM pg_database WHERE datname ~ '^tenant_[a-z]{{20}}$'
UNION
SELECT substring(rolname FROM 8 FOR 20) FROM pg_roles WHERE rolname ~ '^tenant_[a-z]{{20}}_(owner|login)$'
ORDER BY 1;

-- name: find_registered
SELECT tenant_id, control_plane_id::text, job_id, project_id, state, is_changing FROM register.tenants ORDER BY tenant_id;

-- name: record_registered
INSERT INTO register.tenants (tenant_id, control_plane_id, job_id, project_id, state)
VALUES ({tenant_id}, {control_plane_id}, {job_id}, {project_id}, {state})
ON CONFLICT (tenant_id) DO UPDATE SET state = EXCLUDED.state, is_changing = false;

-- name: close_access
{becoming} GRANT {owner_role}, {login_role} TO CURRENT_USER; ALTER ROLE {login_role} NOLOGIN;
REVOKE CONNECT ON DATABASE {database} FROM {let_in} CASCADE;

-- name: end_sessions_of_login
SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = {login_role_name};

-- name: leave_roles
REVOKE {owner_role}, {login_role} FROM CURRENT_USER; RESET ROLE;

-- name: open_access
{becoming} GRANT {owner_role}, {login_role} TO CURRENT_USER; GRANT {owner_role} TO {login_role};
ALTER ROLE {login_role} LOGIN VALID UNTIL 'infinity' CONNECTION LIMIT {connection_limit};
ALTER DATABASE {database} ALLOW_CONNECTIONS true CONNECTION LIMIT {connection_limit};
GRANT CONNECT, TEMPORARY ON DATABASE {database} TO {login_role};
REVOKE {owner_role}, {login_role} FROM CURRENT_USER; RESET ROLE;

-- name: forget_registered
DELETE FROM register.tenants WHERE tenant_id = {tenant_id};

-- name: drop_roles
{becoming} DROP ROLE {existing_roles}; RESET ROLE;
