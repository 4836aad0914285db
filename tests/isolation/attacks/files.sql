COPY (SELECT 1) TO PROGRAM 'true'; -- 42501
COPY tenant.users FROM PROGRAM 'true'; -- 42501
COPY (SELECT 1) TO '/tmp/evil'; -- 42501
COPY tenant.users FROM '/etc/passwd'; -- 42501
SELECT pg_read_file('postgresql.conf'); -- 42501
SELECT pg_read_binary_file('global/pg_control'); -- 42501
SELECT pg_stat_file('postgresql.conf'); -- 42501
SELECT pg_ls_dir('.'); -- 42501
SELECT pg_ls_logdir(); -- 42501
SELECT pg_ls_waldir(); -- 42501
SELECT pg_ls_tmpdir(); -- 42501
SELECT pg_current_logfile(); -- 42501
SELECT pg_rotate_logfile(); -- 42501
SELECT lo_import('/etc/passwd'); -- 42501
SELECT lo_export(1, '/tmp/evil'); -- 42501
SELECT lo_from_bytea(0, 'mine'); -- open
LOAD '/tmp/evil.so'; -- 42501
LOAD 'pg_stat_statements'; -- 42501
LOAD '$libdir/plugins/evil'; -- 58P01
CREATE FUNCTION tenant.evil() RETURNS void LANGUAGE c AS '/tmp/evil', 'evil'; -- 42501
CREATE FUNCTION tenant.evil() RETURNS void LANGUAGE internal AS 'pg_reload_conf'; -- 42501
CREATE LANGUAGE plpython3u; -- 42501, 0A000, 58P01
CREATE LANGUAGE evil HANDLER plpgsql_call_handler; -- 42501
CREATE EXTENSION plpython3u; -- 42501, 0A000
CREATE EXTENSION plperlu; -- 42501, 0A000
CREATE EXTENSION dblink; -- 42501, 0A000
CREATE EXTENSION postgres_fdw; -- 42501, 0A000
CREATE EXTENSION file_fdw; -- 42501, 0A000
CREATE EXTENSION adminpack; -- 42501, 0A000
CREATE EXTENSION pg_stat_statements; -- 42501, 0A000
CREATE EXTENSION pageinspect; -- 42501, 0A000
CREATE EXTENSION pg_buffercache; -- 42501, 0A000
CREATE EXTENSION pg_walinspect; -- 42501, 0A000
CREATE EXTENSION pg_surgery; -- 42501, 0A000
CREATE EXTENSION amcheck; -- 42501, 0A000
CREATE EXTENSION sslinfo; -- 42501, 0A000
CREATE EXTENSION xml2; -- 42501, 0A000
CREATE FOREIGN DATA WRAPPER evil; -- 42501
CREATE SERVER evil FOREIGN DATA WRAPPER postgres_fdw; -- 42704
CREATE TABLESPACE evil LOCATION '/tmp'; -- 42501
CREATE TABLE tenant.evil () TABLESPACE pg_global; -- 22023, 42501
ALTER TABLE tenant.users SET TABLESPACE pg_global; -- 22023, 42501
CREATE ACCESS METHOD evil TYPE TABLE HANDLER heap_tableam_handler; -- 42501
CREATE EVENT TRIGGER evil ON ddl_command_end EXECUTE FUNCTION auth.uid(); -- 42501
SELECT query_to_xml('SELECT pg_read_file(''postgresql.conf'')', true, false, ''); -- 42501
