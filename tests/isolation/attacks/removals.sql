ALTER ROLE CURRENT_USER IN DATABASE {victim} SET maintenance_work_mem = '4MB'; -- open
GRANT SELECT ON tenant.users TO {victim_login}; -- open
GRANT SELECT ON tenant.users TO {victim_owner}; -- open
ALTER DEFAULT PRIVILEGES GRANT USAGE ON TYPES TO {victim_login}; -- open
CREATE POLICY of_a_removed_tenant ON tenant.users TO {victim_owner}; -- open
