ALTER ROLE CURRENT_USER IN DATABASE {victim} SET work_mem = '4MB'; -- open
SET ROLE NONE; ALTER ROLE SESSION_USER IN DATABASE {victim} SET work_mem = '4MB'; -- open
ALTER ROLE CURRENT_USER IN DATABASE {victim} RESET ALL; -- open
ALTER ROLE CURRENT_USER IN DATABASE {register} SET work_mem = '4MB'; -- open
ALTER ROLE CURRENT_USER IN DATABASE template0 SET work_mem = '4MB'; -- open
ALTER ROLE CURRENT_USER SET work_mem = '4MB'; -- open
ALTER DATABASE {own} SET work_mem = '4MB'; -- open
COMMENT ON DATABASE {own} IS 'mine'; -- open
GRANT SELECT ON tenant.users TO {victim_login}, {victim_owner}, anon, {admin}; -- open
GRANT CONNECT ON DATABASE {own} TO {victim_login}, {victim_owner}, anon, {admin}; -- open
ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO {victim_login}, {victim_owner}, anon, {admin}; -- open
CREATE POLICY theirs ON tenant.users TO {victim_login}, {victim_owner}, anon, {admin}; -- open
LOCK TABLE pg_database, pg_roles, pg_db_role_setting, pg_shdescription, pg_auth_members IN ACCESS SHARE MODE; -- open
