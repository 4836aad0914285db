SET ROLE service_role; ALTER ROLE CURRENT_USER BYPASSRLS; -- 42501
SET ROLE service_role; ALTER ROLE CURRENT_USER LOGIN; -- 42501
SET ROLE service_role; ALTER ROLE CURRENT_USER SUPERUSER; -- 42501
SET ROLE service_role; ALTER ROLE service_role RENAME TO mine; -- 0A000
SET ROLE anon; ALTER ROLE CURRENT_USER INHERIT; -- 42501
SET ROLE anon; ALTER ROLE CURRENT_USER VALID UNTIL '2000-01-01'; -- 42501
SET ROLE authenticated; SET ROLE {victim_owner}; -- 42501
SET ROLE authenticated; GRANT authenticated TO {victim_owner}; -- 42501
SET ROLE authenticated; GRANT pg_signal_backend TO CURRENT_USER; -- 42501
SET ROLE service_role; SELECT pg_terminate_backend({victim_pid}); -- 42501
SET ROLE service_role; SELECT * FROM pg_authid; -- 42501
DROP ROLE anon; -- 42501
GRANT {own_owner} TO anon; -- 42501
GRANT service_role TO anon; -- 42501
REVOKE anon FROM {victim_login}; -- 42501
COMMENT ON ROLE anon IS 'mine'; -- 42501
ALTER ROLE service_role REPLICATION; -- 42501
