-- How the admin enters a database whose owner has closed it. Over the admin's session in the register's database.
-- Placeholders are {name}: identifiers and literals, composed by psycopg2.sql.

-- name: find_access
SELECT pg_get_userbyid(datdba)::text AS owner, datallowconn AS allow_connections, datconnlimit AS connection_limit,
       has_database_privilege(session_user, oid, 'CONNECT') AS may_connect
FROM pg_database
WHERE datname = {database_name};

-- name: record_opened
-- In the transaction that opens the database. What an opening before has recorded, and nobody has put back, is what its
-- owner had; what the owner has changed since then counts instead.
INSERT INTO register.opened_databases AS known (database, connection_limit, refuses_connections, refuses_admin)
VALUES ({database_name}, {connection_limit}, {refuses_connections}, {refuses_admin})
ON CONFLICT (database) DO UPDATE SET
    connection_limit = coalesce(EXCLUDED.connection_limit, known.connection_limit),
    refuses_connections = known.refuses_connections OR EXCLUDED.refuses_connections,
    refuses_admin = known.refuses_admin OR EXCLUDED.refuses_admin;

-- name: open_limit
ALTER DATABASE {database} CONNECTION LIMIT {opened_limit};

-- name: open_connections
ALTER DATABASE {database} ALLOW_CONNECTIONS true;

-- name: grant_connect_to_the_admin
GRANT CONNECT ON DATABASE {database} TO SESSION_USER;

-- name: find_opened
-- What to put back in one database or, without a name, in all. One without an owner has been dropped.
SELECT database, connection_limit, refuses_connections, refuses_admin, pg_get_userbyid(datdba)::text AS owner
FROM register.opened_databases
LEFT JOIN pg_database ON datname = database
WHERE database = coalesce({database_name}, database)
ORDER BY database;

-- name: take_back_nothing
-- The admin never has this option. The statement locks the database's row until the transaction ends, so that its owner
-- changes nothing between the look at the limit and its change.
REVOKE GRANT OPTION FOR TEMPORARY ON DATABASE {database} FROM SESSION_USER;

-- name: close_limit
-- Another limit than ours is the owner's, set since.
DO $close$
BEGIN
    IF (SELECT datconnlimit FROM pg_database WHERE datname = {database_name}) = {opened_limit} THEN
        ALTER DATABASE {database} CONNECTION LIMIT {connection_limit};
    END IF;
END $close$;

-- name: close_connections
ALTER DATABASE {database} ALLOW_CONNECTIONS false;

-- name: revoke_connect_from_the_admin
REVOKE CONNECT ON DATABASE {database} FROM SESSION_USER;

-- name: forget_opened
-- In the transaction that closes the database.
DELETE FROM register.opened_databases WHERE database = {database_name};
