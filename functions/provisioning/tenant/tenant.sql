-- Make and remove a tenant. Placeholders are {name}: identifiers and literals, composed by psycopg2.sql. Over the
-- admin's session in the register's database, as the tenant's creator, who joins its roles for that time.

-- name: make_owner_role
-- It is a member of nothing but pg_database_owner, which owns public: implicitly, and before 16 only if it inherits.
CREATE ROLE {owner_role} NOLOGIN INHERIT;

-- name: make_login_role
CREATE ROLE {login_role} LOGIN NOINHERIT;
GRANT {owner_role}, {shared_roles} TO {login_role};

-- name: join_roles
GRANT {owner_role}, {login_role} TO CURRENT_USER;
ALTER ROLE {login_role} LOGIN CONNECTION LIMIT {connection_limit} PASSWORD {verifier};
ALTER ROLE {login_role} SET statement_timeout = {statement_timeout};
ALTER ROLE {login_role} SET idle_in_transaction_session_timeout = {idle_in_transaction_timeout};

-- name: give_to_keeper
-- Before 16 nobody needs it; after an upgrade only the keeper can give the roles to a creator (keeper.py).
GRANT {owner_role}, {login_role} TO {keeper} WITH ADMIN OPTION;

-- name: make_database
-- Closed to everybody until its privileges are set: a new database lets PUBLIC in. Text sorts by code point, and every
-- letter has its case. Before PostgreSQL 18 full text search takes the case of letters from LC_CTYPE, whatever the
-- provider is.
CREATE DATABASE {database}
    OWNER {owner_role} TEMPLATE template0 ENCODING 'UTF8' LOCALE_PROVIDER builtin BUILTIN_LOCALE 'C.UTF-8'
    LC_COLLATE 'C' LC_CTYPE {ctype} CONNECTION LIMIT {connection_limit} ALLOW_CONNECTIONS false;

-- name: make_database_before_17
-- The builtin provider came with PostgreSQL 17. The same order and case, by the operating system's locale for case.
CREATE DATABASE {database}
    OWNER {owner_role} TEMPLATE template0 ENCODING 'UTF8' LOCALE_PROVIDER libc LC_COLLATE 'C' LC_CTYPE {ctype}
    CONNECTION LIMIT {connection_limit} ALLOW_CONNECTIONS false;

-- name: make_database_with_icu
-- Without such a locale: every letter has its case, but text sorts as in a dictionary.
CREATE DATABASE {database}
    OWNER {owner_role} TEMPLATE template0 ENCODING 'UTF8' LOCALE_PROVIDER icu ICU_LOCALE 'und' LOCALE 'C'
    CONNECTION LIMIT {connection_limit} ALLOW_CONNECTIONS false;

-- name: make_database_with_c
-- Without ICU only ASCII letters have a case.
CREATE DATABASE {database}
    OWNER {owner_role} TEMPLATE template0 ENCODING 'UTF8' LOCALE_PROVIDER libc LOCALE 'C'
    CONNECTION LIMIT {connection_limit} ALLOW_CONNECTIONS false;

-- name: open_database
REVOKE ALL ON DATABASE {database} FROM PUBLIC;
GRANT CONNECT, TEMPORARY ON DATABASE {database} TO {login_role};
GRANT CONNECT ON DATABASE {database} TO SESSION_USER;
ALTER ROLE {login_role} IN DATABASE {database} SET search_path = public, extensions;
-- The login acts as the owner, so that what it creates belongs to the owner and outlives a change of credentials.
ALTER ROLE {login_role} IN DATABASE {database} SET role = {owner_role};
ALTER DATABASE {database} ALLOW_CONNECTIONS true;

-- name: leave_roles
REVOKE {owner_role}, {login_role} FROM CURRENT_USER;

-- name: drop_database
DROP DATABASE {database};

-- name: join_existing_roles
GRANT {existing_roles} TO CURRENT_USER;

-- name: close_login
ALTER ROLE {login_role} NOLOGIN;

-- name: close_database
-- An owner can make its database a template, and PostgreSQL drops none.
ALTER DATABASE {database} ALLOW_CONNECTIONS false IS_TEMPLATE false;

-- name: end_sessions_of_database
-- Those in the database and those of its login in any other, as far as the current user may end them. DROP DATABASE ends
-- autovacuum workers itself, and nobody else (CountOtherDBBackends in PostgreSQL's procarray.c).
SELECT pg_terminate_backend(pid, 5000)
FROM pg_stat_activity
WHERE (datname = {database_name} OR usename = {login_role_name}) AND backend_type <> 'autovacuum worker'
    AND pid <> pg_backend_pid()
    AND (pg_has_role(usesysid, 'USAGE') OR pg_has_role('pg_signal_backend', 'USAGE'));

-- name: end_sessions_of_slots
SELECT pg_terminate_backend(active_pid, 5000)
FROM pg_replication_slots
WHERE database = {database_name} AND active_pid IS NOT NULL;

-- name: drop_slots
-- The names of slots are cluster-wide: only the database of a slot shows whose it is.
SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database = {database_name};

-- name: find_in_the_way
-- Sessions of others whom the owner has let in, and prepared transactions: all in the database, and those of the tenant's
-- roles in any other. Only a superuser can end those of a dropped role.
SELECT NULL AS gid, rolname::text AS owner, datname::text AS database
FROM pg_stat_activity JOIN pg_roles ON pg_roles.oid = usesysid
WHERE datname = {database_name} AND NOT rolsuper AND rolname <> session_user
UNION
SELECT gid, owner::text, database::text
FROM pg_prepared_xacts JOIN pg_roles ON rolname = owner
WHERE (database = {database_name} OR owner IN ({login_role_name}, {owner_role_name})) AND NOT rolsuper
ORDER BY database, gid;

-- name: drop_roles
-- Both were made in one transaction, but somebody may have dropped one of them since.
DROP ROLE {existing_roles};

-- name: close_login_permanently
ALTER ROLE {login_role} NOLOGIN PASSWORD NULL;
REVOKE {given_roles} FROM {login_role};

-- name: leave_existing_roles
REVOKE {existing_roles} FROM CURRENT_USER;

-- name: find_leftovers
SELECT datname::text AS name FROM pg_database WHERE datname = {database_name}
UNION ALL
SELECT rolname::text FROM pg_roles WHERE rolname IN ({owner_role_name}, {login_role_name});
