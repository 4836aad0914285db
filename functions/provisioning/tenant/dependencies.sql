-- What other databases have of a tenant's roles. Over the admin's session in the register's database, and inside the
-- other database. Placeholders are {name}: identifiers and literals, composed by psycopg2.sql.

-- name: find_databases
-- Those in which something names one of the roles, or whose own privileges do. A name that is missing is the server's.
SELECT DISTINCT coalesce(inside.datname, itself.datname)::text AS database
FROM pg_shdepend
JOIN pg_roles AS role ON role.oid = refobjid AND refclassid = 'pg_authid'::regclass
LEFT JOIN pg_database AS inside ON inside.oid = dbid
LEFT JOIN pg_database AS itself ON dbid = 0 AND classid = 'pg_database'::regclass AND itself.oid = objid
WHERE rolname = ANY ({roles})
ORDER BY database;

-- name: find_grantors
-- Who may have granted them something in a database: its owner first, then every other role that it names.
SELECT pg_get_userbyid(datdba)::text AS role, 0 AS position FROM pg_database WHERE datname = {database_name}
UNION
SELECT rolname::text, 1
FROM pg_database
JOIN pg_shdepend ON dbid = pg_database.oid
    OR (dbid = 0 AND classid = 'pg_database'::regclass AND objid = pg_database.oid)
JOIN pg_roles ON pg_roles.oid = refobjid AND refclassid = 'pg_authid'::regclass
WHERE datname = {database_name} AND pg_roles.oid <> datdba AND NOT rolsuper
    AND rolname <> session_user AND rolname <> ALL ({roles})
ORDER BY position, role;

-- name: drop_owned
DROP OWNED BY {existing_roles};

-- name: find_policies
-- Those of a role's tables that name no others. DROP OWNED takes a lock for each that it drops, all in one transaction, and tenants together
-- have only so many locks (max_locks_per_transaction).
SELECT nspname::text AS schema, relname::text AS relation, polname::text AS policy
FROM pg_policy
JOIN pg_class ON pg_class.oid = polrelid
JOIN pg_namespace ON pg_namespace.oid = relnamespace
WHERE polroles <@ (SELECT array_agg(oid) FROM pg_roles WHERE rolname = ANY ({roles}))
    AND pg_get_userbyid(relowner) = {owner}
LIMIT {at_most};

-- name: take_back_shared
-- A creator may grant the shared roles, but does not use them (cluster.sql: prepare_creator).
GRANT {grantor} TO {member} WITH INHERIT FALSE;

-- name: take_back
REVOKE {grantor} FROM {member};

-- name: lend
-- DROP OWNED revokes only what the current user could have granted, so it needs the privileges of each grantor.
GRANT {grantor} TO {member} WITH INHERIT TRUE;
