SELECT description FROM pg_shdescription WHERE classoid = 'pg_database'::regclass AND objoid = (SELECT oid FROM pg_database WHERE datname = {victim_name}); -- no row
SELECT description FROM pg_shdescription WHERE objoid IN ({victim_login_name}::regrole, {victim_owner_name}::regrole); -- no row
SELECT label FROM pg_shseclabel; -- no row
SELECT setconfig FROM pg_db_role_setting WHERE setdatabase = (SELECT oid FROM pg_database WHERE datname = {victim_name}) AND setrole = 0; -- no row
SELECT * FROM pg_largeobject; -- 42501
SELECT * FROM pg_statistic; -- 42501
SELECT subconninfo FROM pg_subscription; -- 42501
SELECT * FROM pg_hba_file_rules; -- 42501
SELECT * FROM pg_ident_file_mappings; -- 42501
SELECT * FROM pg_file_settings; -- 42501
SELECT * FROM pg_config; -- 42501
SELECT * FROM pg_shmem_allocations; -- 42501
SELECT * FROM pg_backend_memory_contexts; -- 42501
SELECT * FROM register.tenants; -- 42P01
SELECT * FROM control_plane.projects; -- 42P01
SHOW data_directory; -- 42501
SHOW hba_file; -- 42501
SHOW session_preload_libraries; -- 42501
