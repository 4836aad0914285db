-- A trap's function reports every call in the server's log
CREATE SCHEMA IF NOT EXISTS traps; -- harmless
GRANT USAGE ON SCHEMA traps TO PUBLIC; -- harmless
CREATE OR REPLACE FUNCTION traps.spring(trap text) RETURNS boolean LANGUAGE plpgsql AS 'BEGIN RAISE LOG ''sprung: % by % as % in %'', trap, session_user, current_user, pg_catalog.current_setting(''application_name''); RETURN true; END'; -- harmless
CREATE OR REPLACE FUNCTION traps.triggered() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM traps.spring(TG_NAME); RETURN NEW; END'; -- harmless
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA traps TO PUBLIC; -- harmless
-- In every schema that could be on a path, with arguments that fit a call better than those of PostgreSQL's own
ALTER DEFAULT PRIVILEGES GRANT EXECUTE ON FUNCTIONS TO PUBLIC; -- harmless
CREATE SCHEMA IF NOT EXISTS {admin}; GRANT USAGE ON SCHEMA {admin} TO PUBLIC; -- harmless
CREATE SCHEMA IF NOT EXISTS {creator}; GRANT USAGE ON SCHEMA {creator} TO PUBLIC; -- harmless
GRANT USAGE ON SCHEMA tenant, extensions TO PUBLIC; -- harmless
CREATE OR REPLACE PROCEDURE traps.shadow(called text, returned text) LANGUAGE plpgsql AS 'DECLARE place text; BEGIN FOR place IN SELECT nspname FROM pg_namespace WHERE nspname !~ ''^(pg_|information_schema|traps)'' LOOP BEGIN EXECUTE pg_catalog.format(''CREATE OR REPLACE FUNCTION %I.%s RETURNS %s LANGUAGE plpgsql AS %L'', place, called, returned, pg_catalog.format(''BEGIN PERFORM traps.spring(%L); RETURN NULL; END'', called)); EXCEPTION WHEN insufficient_privilege THEN NULL; END; END LOOP; END'; -- harmless
GRANT CREATE, USAGE ON SCHEMA public TO PUBLIC; -- harmless
CALL traps.shadow('hashtextextended(text, integer)', 'bigint'); -- open
CALL traps.shadow('pg_advisory_lock(bigint)', 'text'); -- open
CALL traps.shadow('pg_advisory_xact_lock(bigint)', 'text'); -- open
CALL traps.shadow('pg_try_advisory_lock(bigint)', 'boolean'); -- open
CALL traps.shadow('pg_advisory_unlock_all()', 'text'); -- open
CALL traps.shadow('to_regnamespace(text)', 'regnamespace'); -- open
CALL traps.shadow('to_regrole(text)', 'regrole'); -- open
CALL traps.shadow('set_config(text, text, boolean)', 'text'); -- open
CALL traps.shadow('current_setting(text)', 'text'); -- open
CALL traps.shadow('current_setting(text, boolean)', 'text'); -- open
CALL traps.shadow('concat_ws(text, text, text)', 'text'); -- open
CALL traps.shadow('max(integer)', 'integer'); -- open
CALL traps.shadow('count(integer)', 'bigint'); -- open
CALL traps.shadow('array_agg(text)', 'text[]'); -- open
CALL traps.shadow('string_to_array(text, text)', 'text[]'); -- open
CALL traps.shadow('unnest(text[])', 'text'); -- open
CALL traps.shadow('format(text, text)', 'text'); -- open
CALL traps.shadow('quote_ident(text)', 'text'); -- open
CALL traps.shadow('starts_with(name, text)', 'boolean'); -- open
CALL traps.shadow('now()', 'timestamptz'); -- open
CALL traps.shadow('lower(text)', 'text'); -- open
CALL traps.shadow('pg_has_role(oid, text)', 'boolean'); -- open
CALL traps.shadow('pg_get_userbyid(oid)', 'name'); -- open
CALL traps.shadow('has_table_privilege(text, oid, text)', 'boolean'); -- open
CALL traps.shadow('has_database_privilege(oid, oid, text)', 'boolean'); -- open
CALL traps.shadow('pg_terminate_backend(integer)', 'boolean'); -- open
CALL traps.shadow('pg_drop_replication_slot(name)', 'text'); -- open
CALL traps.shadow('gen_random_uuid()', 'uuid'); -- open
CALL traps.shadow('version()', 'text'); -- open
CALL traps.shadow('textcat(text, text)', 'text'); -- open
CREATE OR REPLACE FUNCTION traps.is_same(name, text) RETURNS boolean LANGUAGE plpgsql AS 'BEGIN RETURN traps.spring(''operator ='' ); END'; CREATE OPERATOR tenant.= (LEFTARG = name, RIGHTARG = text, FUNCTION = traps.is_same); -- open
CREATE OR REPLACE FUNCTION traps.is_more(integer, integer) RETURNS boolean LANGUAGE plpgsql AS 'BEGIN RETURN traps.spring(''operator >'' ); END'; CREATE OPERATOR extensions.> (LEFTARG = integer, RIGHTARG = integer, FUNCTION = traps.is_more); -- open
CREATE OR REPLACE FUNCTION traps.joined(text, text) RETURNS text LANGUAGE plpgsql AS 'BEGIN PERFORM traps.spring(''operator ||'' ); RETURN $1; END'; CREATE OPERATOR {admin}.|| (LEFTARG = text, RIGHTARG = text, FUNCTION = traps.joined); -- open
-- Relations named like those of pg_catalog
CREATE OR REPLACE PROCEDURE traps.imitate(relation text) LANGUAGE plpgsql AS 'DECLARE place text; BEGIN FOR place IN SELECT nspname FROM pg_namespace WHERE nspname !~ ''^(pg_|information_schema|traps)'' AND nspname <> ''public'' LOOP EXECUTE pg_catalog.format(''CREATE OR REPLACE VIEW %I.%I AS SELECT *, traps.spring(%L) FROM pg_catalog.%I'', place, relation, relation, relation); EXECUTE pg_catalog.format(''GRANT SELECT ON %I.%I TO PUBLIC'', place, relation); END LOOP; END'; -- harmless
CALL traps.imitate('pg_database'); -- open
CALL traps.imitate('pg_roles'); -- open
CALL traps.imitate('pg_class'); -- open
CALL traps.imitate('pg_extension'); -- open
CALL traps.imitate('pg_publication'); -- open
CALL traps.imitate('pg_stat_activity'); -- open
CALL traps.imitate('pg_auth_members'); -- open
CALL traps.imitate('pg_shdepend'); -- open
CALL traps.imitate('pg_replication_slots'); -- open
-- Types, casts and domains
CREATE DOMAIN tenant.text AS pg_catalog.text CHECK (traps.spring('domain text')); -- open
CREATE DOMAIN {admin}.integer AS pg_catalog.int4 CHECK (traps.spring('domain integer')); -- open
CREATE TYPE traps.pair AS (key pg_catalog.text); CREATE FUNCTION traps.to_text(traps.pair) RETURNS pg_catalog.text LANGUAGE plpgsql AS 'BEGIN PERFORM traps.spring(''cast''); RETURN NULL; END'; CREATE CAST (traps.pair AS pg_catalog.text) WITH FUNCTION traps.to_text(traps.pair) AS IMPLICIT; -- open
-- On what the platform has made: they spring only with the tenant's own rights
CREATE TRIGGER own_trigger BEFORE INSERT OR UPDATE OR DELETE ON tenant._migrations FOR EACH STATEMENT EXECUTE FUNCTION traps.triggered(); -- open
CREATE TRIGGER own_trigger BEFORE INSERT OR UPDATE OR DELETE ON tenant.users FOR EACH ROW EXECUTE FUNCTION traps.triggered(); -- open
CREATE RULE own_rule AS ON INSERT TO tenant._migrations DO ALSO SELECT traps.spring('own rule'); -- open
ALTER TABLE tenant._migrations FORCE ROW LEVEL SECURITY; CREATE POLICY own_policy ON tenant._migrations USING (traps.spring('own policy')) WITH CHECK (traps.spring('own policy')); -- open
ALTER TABLE tenant._migrations ALTER applied_at SET DEFAULT CASE WHEN traps.spring('own default') THEN pg_catalog.now() END; -- open
ALTER TABLE tenant._migrations ADD CONSTRAINT own_check CHECK (traps.spring('own check')) NOT VALID; -- open
CREATE FUNCTION traps.indexed(pg_catalog.int4) RETURNS pg_catalog.int4 LANGUAGE plpgsql IMMUTABLE AS 'BEGIN PERFORM traps.spring(''own index''); RETURN $1; END'; CREATE INDEX own_index ON tenant._migrations (traps.indexed(version)); -- open
-- What sessions in this database start with
ALTER DATABASE {own} SET search_path = tenant, extensions, {admin}, {creator}, public, pg_catalog; -- open
ALTER DATABASE {own} SET role = anon; -- open
ALTER DATABASE {own} SET default_transaction_read_only = on; -- open
ALTER DATABASE {own} SET default_transaction_isolation = 'serializable'; -- open
ALTER DATABASE {own} SET statement_timeout = '1ms'; -- open
ALTER DATABASE {own} SET lock_timeout = '1ms'; -- open
ALTER DATABASE {own} SET idle_session_timeout = '1ms'; -- open
ALTER DATABASE {own} SET idle_in_transaction_session_timeout = '1ms'; -- open
ALTER DATABASE {own} SET transaction_timeout = '1ms'; -- open (15: 42704; 16: 42704)
ALTER DATABASE {own} SET client_min_messages = 'debug5'; -- open
ALTER DATABASE {own} SET row_security = off; -- open
ALTER DATABASE {own} SET client_encoding = 'LATIN1'; -- open
ALTER DATABASE {own} SET DateStyle = 'SQL, DMY'; -- open
ALTER DATABASE {own} SET bytea_output = 'escape'; -- open
ALTER DATABASE {own} SET standard_conforming_strings = off; -- open
ALTER DATABASE {own} SET check_function_bodies = off; -- open
ALTER DATABASE {own} SET transform_null_equals = on; -- open
ALTER DATABASE {own} SET default_tablespace = 'none'; -- open
ALTER DATABASE {own} SET session_replication_role = replica; -- 42501
-- Traps that cannot be set
CREATE EVENT TRIGGER own_trigger ON ddl_command_start EXECUTE FUNCTION traps.triggered(); -- 42501
CREATE TRIGGER own_trigger AFTER INSERT ON pg_database EXECUTE FUNCTION traps.triggered(); -- 42501
ALTER FUNCTION pg_catalog.now() SET search_path = tenant; -- 42501
ALTER SCHEMA pg_catalog RENAME TO theirs; -- 42501
ALTER OPERATOR CLASS pg_catalog.text_ops USING btree RENAME TO theirs; -- 42501
CREATE CAST (text AS integer) WITHOUT FUNCTION; -- 42501
-- What is looked at
COMMENT ON DATABASE {own} IS '{{"tenant_id": "another"}}'; -- open
COMMENT ON SCHEMA tenant IS 'another''; SELECT 1; --'; -- open
CREATE PUBLICATION supabase_realtime; -- open
