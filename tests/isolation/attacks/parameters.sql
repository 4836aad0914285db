ALTER SYSTEM SET log_statement = 'none'; -- 42501
ALTER SYSTEM RESET ALL; -- 42501
SELECT pg_reload_conf(); -- 42501
SET log_statement = 'none'; -- 42501
SET log_min_duration_statement = 0; -- 42501
SET session_preload_libraries = 'evil'; -- 42501
ALTER ROLE CURRENT_USER SET local_preload_libraries = 'evil'; -- open
ALTER ROLE CURRENT_USER SET session_preload_libraries = 'evil'; -- 42501
ALTER DATABASE {own} SET session_preload_libraries = 'evil'; -- 42501
ALTER DATABASE {own} SET log_statement = 'none'; -- 42501
ALTER DATABASE {own} SET max_connections = 1; -- 55P02
ALTER DATABASE {own} SET post_auth_delay = 2000; -- 55P02
ALTER DATABASE {own} SET ignore_system_indexes = on; -- 55P02
SET session_replication_role = replica; -- 42501
SET temp_file_limit = -1; -- 42501
SET deadlock_timeout = '1min'; -- 42501
SET lc_messages = 'C'; -- 42501
SET track_activities = off; -- 42501
SET max_stack_depth = '60MB'; -- 42501
SET wal_compression = on; -- 42501
SET zero_damaged_pages = on; -- 42501
SET ignore_system_indexes = on; -- 55P02
SET ignore_checksum_failure = on; -- 42501
SET dynamic_library_path = '/tmp'; -- 42501
SET createrole_self_grant = 'set'; -- harmless (15: 42704)
SET reserved_connections = 0; -- 55P02 (15: 42704)
SET event_triggers = off; -- 42501 (15: 42704; 16: 42704)
GRANT SET ON PARAMETER log_statement TO {own_login}; -- 42501
GRANT ALTER SYSTEM ON PARAMETER log_statement TO {own_login}; -- 42501
\connect options='-c log_statement=none' -- 42501
\connect options='-c session_preload_libraries=evil' -- 42501
