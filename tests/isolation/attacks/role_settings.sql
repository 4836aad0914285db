-- They would last until the next reset (test_shared_roles.py has that), so each is rolled back, or is the tenant's own.
SET ROLE anon; BEGIN; ALTER ROLE CURRENT_USER SET statement_timeout = '1ms'; ROLLBACK; -- harmless
SET ROLE anon; BEGIN; ALTER ROLE CURRENT_USER SET search_path = nowhere; ROLLBACK; -- harmless
SET ROLE authenticated; BEGIN; ALTER ROLE CURRENT_USER SET row_security = off; ROLLBACK; -- harmless
SET ROLE service_role; BEGIN; ALTER ROLE CURRENT_USER SET default_transaction_read_only = on; ROLLBACK; -- harmless
SET ROLE service_role; BEGIN; ALTER ROLE CURRENT_USER PASSWORD 'known'; ROLLBACK; -- harmless
SET ROLE anon; ALTER ROLE CURRENT_USER IN DATABASE {own} SET role = service_role; -- open
SET ROLE anon; ALTER ROLE CURRENT_USER SET log_statement = 'all'; -- 42501
SET ROLE anon; ALTER ROLE authenticated SET work_mem = '1MB'; -- 42501
ALTER ROLE anon SET work_mem = '1MB'; -- 42501
ALTER ROLE ALL SET work_mem = '1MB'; -- 42501
ALTER ROLE ALL IN DATABASE {victim} SET work_mem = '1MB'; -- 42501
