SELECT query FROM pg_stat_activity WHERE usename = {victim_login_name} AND query <> '<insufficient privilege>'; -- no row
SELECT client_addr, client_port FROM pg_stat_activity WHERE usename = {victim_login_name} AND client_port IS NOT NULL; -- no row
SELECT state, backend_start FROM pg_stat_activity WHERE usename = {victim_login_name} AND (state, wait_event) IS DISTINCT FROM (NULL, NULL); -- no row
SELECT pg_stat_get_backend_activity(id) FROM pg_stat_get_backend_idset() AS id WHERE pg_stat_get_backend_pid(id) = {victim_pid} AND pg_stat_get_backend_activity(id) <> '<insufficient privilege>'; -- no row
SELECT application_name FROM pg_stat_get_activity({victim_pid}) WHERE client_addr IS NOT NULL; -- no row
SELECT pid FROM pg_stat_ssl WHERE pid = {victim_pid} AND ssl IS NOT NULL; -- no row
SELECT pid FROM pg_stat_gssapi WHERE pid = {victim_pid} AND gss_authenticated IS NOT NULL; -- no row
SELECT rolpassword FROM pg_authid; -- 42501
SELECT passwd FROM pg_shadow; -- 42501
SELECT rolpassword FROM pg_roles WHERE rolpassword <> '********'; -- no row
SELECT passwd FROM pg_user WHERE passwd <> '********'; -- no row
SELECT umoptions FROM pg_user_mappings WHERE umoptions IS NOT NULL; -- no row
SELECT * FROM pg_user_mapping; -- 42501
SELECT pg_database_size({victim_name}); -- 42501
SELECT pg_terminate_backend({victim_pid}); -- 42501
SELECT pg_cancel_backend({victim_pid}); -- 42501
SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = {victim_login_name}; -- 42501
SET ROLE NONE; SELECT pg_terminate_backend({victim_pid}, 100); -- 42501
SELECT pg_log_backend_memory_contexts({victim_pid}); -- 42501
SELECT pg_stat_reset_shared('bgwriter'); -- 42501
SELECT pg_stat_reset_backend_stats({victim_pid}); -- 42501 (15: 42883; 16: 42883; 17: 42883)
SELECT datid FROM pg_stat_database WHERE datname = {victim_name} AND false; -- no row
ROLLBACK PREPARED {victim_transaction_name}; -- 42501
COMMIT PREPARED {victim_transaction_name}; -- 42501
