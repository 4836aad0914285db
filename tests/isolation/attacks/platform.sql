\connect dbname={control_plane} -- 42501
\connect dbname={register} -- 42501
\connect dbname=postgres -- 42501
\connect dbname=template1 -- 42501
\connect dbname=template0 -- 55000, 42501
SET ROLE {admin}; -- 42501
SET ROLE {creator}; -- 42501
SET ROLE {control_plane_owner}; -- 42501
SET ROLE {superuser}; -- 42501
SET ROLE NONE; SET ROLE {creator}; -- 42501
SET SESSION AUTHORIZATION {admin}; -- 42501
SET SESSION AUTHORIZATION {creator}; -- 42501
SET SESSION AUTHORIZATION {control_plane_owner}; -- 42501
SET SESSION AUTHORIZATION {superuser}; -- 42501
GRANT {admin} TO {own_login}; -- 42501
GRANT {creator} TO CURRENT_USER; -- 42501
GRANT {own_owner} TO {admin}; -- 42501
GRANT service_role TO {admin}; -- 42501
ALTER ROLE {admin} PASSWORD 'mine'; -- 42501
ALTER ROLE {admin} SET search_path = public; -- 42501
ALTER ROLE {admin} IN DATABASE {own} SET search_path = public; -- 42501
ALTER ROLE {superuser} NOLOGIN; -- 42501
ALTER ROLE {creator} LOGIN; -- 42501
DROP ROLE {creator}; -- 42501
ALTER DATABASE {register} CONNECTION LIMIT 0; -- 42501
ALTER DATABASE postgres SET search_path = public; -- 42501
ALTER DATABASE template1 IS_TEMPLATE false; -- 42501
CREATE DATABASE mine TEMPLATE {register}; -- 42501
COMMENT ON DATABASE {register} IS 'mine'; -- 42501
DROP DATABASE {control_plane}; -- 42501
SELECT query FROM pg_stat_activity WHERE usename IN ({admin_name}, {control_plane_owner_name}) AND query <> '<insufficient privilege>'; -- no row
SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename IN ({admin_name}, {control_plane_owner_name}); -- 42501
SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE backend_type = 'autovacuum launcher'; -- no row
