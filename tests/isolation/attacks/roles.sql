-- Become it
SET ROLE {victim_login}; -- 42501
SET ROLE {victim_owner}; -- 42501
SET SESSION AUTHORIZATION {victim_login}; -- 42501
SET SESSION AUTHORIZATION {victim_owner}; -- 42501
SET ROLE NONE; SET ROLE {victim_owner}; -- 42501
SET ROLE service_role; SET ROLE {victim_owner}; -- 42501
SELECT set_config('role', {victim_owner_name}, false); -- 42501
SELECT set_config('session_authorization', {victim_login_name}, false); -- 42501
ALTER ROLE CURRENT_USER SET role = {victim_owner}; -- open
SET ROLE NONE; ALTER ROLE CURRENT_USER SET role = {victim_owner}; -- open
CREATE FUNCTION tenant.become() RETURNS void LANGUAGE sql SET role = {victim_owner} AS 'SELECT'; -- 42501
-- Get into it, or put it into another
GRANT {victim_owner} TO {own_login}; -- 42501
GRANT {victim_login} TO CURRENT_USER; -- 42501
GRANT {own_owner} TO {victim_login}; -- 42501
GRANT service_role TO {victim_owner}; -- 42501
SET ROLE NONE; GRANT {victim_owner} TO CURRENT_USER WITH ADMIN OPTION; -- 42501
SET ROLE NONE; GRANT {own_login} TO {victim_login}; -- 42501
REVOKE {victim_owner} FROM {victim_login}; -- 42501
CREATE ROLE mine IN ROLE {victim_owner}; -- 42501
-- Change it
ALTER ROLE {victim_login} PASSWORD 'mine'; -- 42501
ALTER ROLE {victim_login} NOLOGIN; -- 42501
ALTER ROLE {victim_login} CONNECTION LIMIT 0; -- 42501
ALTER ROLE {victim_login} VALID UNTIL '2000-01-01'; -- 42501
ALTER ROLE {victim_login} SET statement_timeout = 1; -- 42501
ALTER ROLE {victim_login} IN DATABASE {victim} SET search_path = public; -- 42501
ALTER ROLE {victim_login} IN DATABASE {own} SET search_path = public; -- 42501
ALTER ROLE {victim_login} RESET ALL; -- 42501
ALTER ROLE {victim_owner} LOGIN PASSWORD 'mine'; -- 42501
ALTER ROLE {victim_owner} SET row_security = off; -- 42501
ALTER ROLE ALL SET statement_timeout = 1; -- 42501
ALTER ROLE {victim_login} RENAME TO mine; -- 42501
ALTER ROLE {victim_owner} RENAME TO mine; -- 42501
COMMENT ON ROLE {victim_login} IS 'mine'; -- 42501
SECURITY LABEL ON ROLE {victim_login} IS 'mine'; -- 22023
DROP ROLE {victim_login}; -- 42501
DROP ROLE {victim_owner}; -- 42501
DROP OWNED BY {victim_owner}; -- 42501
DROP OWNED BY {victim_login} CASCADE; -- 42501
REASSIGN OWNED BY {victim_owner} TO {own_owner}; -- 42501
REASSIGN OWNED BY {own_owner} TO {victim_owner}; -- 42501
ALTER SCHEMA tenant OWNER TO {victim_owner}; -- 42501
CREATE SCHEMA theirs AUTHORIZATION {victim_owner}; -- 42501
ALTER TABLE tenant.users OWNER TO {victim_login}; -- 42501
CREATE USER MAPPING FOR {victim_login} SERVER none; -- 42704
ALTER DEFAULT PRIVILEGES FOR ROLE {victim_owner} GRANT SELECT ON TABLES TO {own_login}; -- 42501
