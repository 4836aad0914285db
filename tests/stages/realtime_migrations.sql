-- What a service like Supabase Realtime does to a tenant database, in our words: each kind of statement that its migrations
-- have, and then what its sessions make. One transaction.
CREATE TABLE IF NOT EXISTS realtime.schema_migrations (version bigint PRIMARY KEY, inserted_at timestamp);
DO $$ BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'supabase_realtime_admin') THEN CREATE ROLE supabase_realtime_admin; END IF;
END $$;
CREATE SCHEMA IF NOT EXISTS auth;
CREATE TYPE realtime.deed AS ENUM ('INSERT', 'UPDATE', 'DELETE');
CREATE TYPE realtime.condition AS (name text, wanted text);
CREATE FUNCTION realtime.role_named(name text) RETURNS regrole LANGUAGE sql IMMUTABLE AS $$ SELECT name::regrole $$;
CREATE FUNCTION realtime.topic() RETURNS text LANGUAGE sql STABLE AS
$$ SELECT nullif(current_setting('realtime.topic', true), '') $$;
CREATE TABLE realtime.subscription (
    id bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    entity regclass NOT NULL,
    conditions realtime.condition[] NOT NULL DEFAULT '{}',
    claims jsonb NOT NULL,
    claims_role regrole NOT NULL GENERATED ALWAYS AS (realtime.role_named(claims ->> 'role')) STORED
);
CREATE TABLE realtime.messages (
    id uuid NOT NULL DEFAULT gen_random_uuid(),
    topic text NOT NULL,
    private boolean DEFAULT false,
    payload jsonb,
    inserted_at timestamp NOT NULL DEFAULT now(),
    PRIMARY KEY (id, inserted_at)
) PARTITION BY RANGE (inserted_at);
CREATE FUNCTION realtime.check_conditions() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN PERFORM FROM unnest(new.conditions) AS c WHERE c.name NOT IN (SELECT column_name FROM information_schema.columns
WHERE format('%I.%I', table_schema, table_name)::regclass = new.entity); IF FOUND THEN RAISE 'no such column'; END IF;
RETURN new; END $$;
CREATE FUNCTION realtime.changes(slot name) RETURNS SETOF text LANGUAGE sql SET log_min_messages TO 'fatal' AS
$$ SELECT data FROM pg_logical_slot_peek_changes(slot, null, null) $$;
CREATE FUNCTION realtime.send(payload jsonb, topic text) RETURNS void LANGUAGE sql AS
$$ INSERT INTO realtime.messages (payload, topic) VALUES (payload, topic) $$;
CREATE INDEX newest_messages ON ONLY realtime.messages (inserted_at DESC, topic) WHERE private;
CREATE TRIGGER check_conditions BEFORE INSERT OR UPDATE ON realtime.subscription
    FOR EACH ROW EXECUTE FUNCTION realtime.check_conditions();
ALTER TABLE realtime.subscription SET UNLOGGED;
ALTER TABLE realtime.subscription SET LOGGED;
GRANT supabase_realtime_admin TO postgres;
GRANT USAGE ON SCHEMA realtime TO postgres, anon, authenticated, service_role, supabase_realtime_admin;
GRANT ALL PRIVILEGES ON SCHEMA realtime TO supabase_realtime_admin;
GRANT ALL ON ALL TABLES IN SCHEMA realtime TO supabase_realtime_admin;
GRANT ALL ON ALL SEQUENCES IN SCHEMA realtime TO supabase_realtime_admin;
GRANT ALL ON ALL FUNCTIONS IN SCHEMA realtime TO supabase_realtime_admin;
GRANT SELECT ON realtime.subscription, realtime.schema_migrations TO anon, authenticated, service_role;
GRANT SELECT, INSERT, UPDATE ON realtime.messages TO postgres, anon, authenticated, service_role;
ALTER TABLE realtime.messages OWNER TO supabase_realtime_admin;
ALTER FUNCTION realtime.topic() OWNER TO supabase_realtime_admin;
ALTER TABLE realtime.messages ENABLE ROW LEVEL SECURITY;
CREATE TABLE realtime.messages_of_always PARTITION OF realtime.messages FOR VALUES FROM (MINVALUE) TO (MAXVALUE);
CREATE PUBLICATION supabase_realtime_messages_publication FOR TABLE realtime.messages;
INSERT INTO realtime.schema_migrations VALUES (1, now());
