CREATE ROLE mine; -- 42501
CREATE USER mine SUPERUSER; -- 42501
CREATE GROUP mine; -- 42501
CREATE DATABASE mine; -- 42501
CREATE DATABASE mine TEMPLATE template0; -- 42501
SET ROLE NONE; CREATE ROLE mine; -- 42501
ALTER ROLE CURRENT_USER SUPERUSER; -- 42501
ALTER ROLE CURRENT_USER CREATEROLE; -- 42501
ALTER ROLE CURRENT_USER CREATEDB; -- 42501
ALTER ROLE SESSION_USER BYPASSRLS; -- 42501
ALTER ROLE SESSION_USER CONNECTION LIMIT -1; -- 42501
ALTER ROLE SESSION_USER INHERIT; -- 42501
SET ROLE NONE; ALTER ROLE CURRENT_USER CONNECTION LIMIT -1; -- 42501
SET ROLE NONE; ALTER ROLE CURRENT_USER VALID UNTIL 'infinity'; -- 42501
GRANT pg_read_server_files TO SESSION_USER; -- 42501
GRANT pg_write_all_data TO SESSION_USER; -- 42501
GRANT pg_signal_backend TO SESSION_USER; -- 42501
GRANT pg_monitor TO SESSION_USER; -- 42501
GRANT pg_execute_server_program TO SESSION_USER; -- 42501
GRANT pg_database_owner TO SESSION_USER; -- 0A000 (15: 42501; 16: XX000; 17: XX000)
GRANT anon TO {own_owner}; -- 42501
SET ROLE anon; GRANT anon TO {own_owner}; -- 42501
SELECT rolname FROM pg_roles WHERE starts_with(rolname, 'pg_') AND pg_has_role(session_user, oid, 'MEMBER') AND rolname <> 'pg_database_owner'; -- no row
INSERT INTO pg_auth_members SELECT * FROM pg_auth_members LIMIT 1; -- 42501
UPDATE pg_authid SET rolsuper = true; -- 42501
SET allow_system_table_mods = on; -- 42501
SELECT proname FROM pg_proc WHERE prosecdef AND proowner <> {own_owner_name}::regrole; -- no row
CREATE FUNCTION tenant.mine() RETURNS void LANGUAGE plpgsql SECURITY DEFINER AS 'BEGIN CREATE ROLE mine; END'; SELECT tenant.mine(); -- 42501
CREATE TABLE pg_catalog.mine (); -- 42501
CREATE FUNCTION pg_catalog.mine() RETURNS integer LANGUAGE sql AS 'SELECT 1'; -- 42501
CREATE SCHEMA pg_mine; -- 42939
CREATE OR REPLACE FUNCTION pg_catalog.now() RETURNS timestamptz LANGUAGE sql AS 'SELECT NULL'; -- 42501
