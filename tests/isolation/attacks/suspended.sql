ALTER ROLE CURRENT_USER IN DATABASE {victim} SET statement_timeout = 0; -- open
SET ROLE NONE; ALTER ROLE CURRENT_USER IN DATABASE {victim} RESET ALL; -- open
GRANT ALL ON SCHEMA tenant TO {victim_login}, {victim_owner}; -- open
CREATE POLICY of_another ON tenant.users TO {victim_login}, {victim_owner}; -- open
ALTER DEFAULT PRIVILEGES GRANT EXECUTE ON FUNCTIONS TO {victim_login}; -- open
