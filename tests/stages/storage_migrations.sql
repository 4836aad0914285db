-- What a service like Supabase Storage does to a tenant database with the login that it is handed: in our words, each
-- kind of statement that its migrations have. One statement at a time and in no transaction, as CONCURRENTLY demands.
CREATE SCHEMA IF NOT EXISTS storage;
CREATE TABLE IF NOT EXISTS storage.migrations (id integer PRIMARY KEY, name text NOT NULL);
CREATE TYPE storage.kind AS ENUM ('PLAIN', 'OTHER');
CREATE TABLE storage.buckets (id text PRIMARY KEY, kind storage.kind NOT NULL DEFAULT 'PLAIN');
CREATE TABLE storage.objects (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    bucket_id text REFERENCES storage.buckets,
    name text COLLATE "C",
    owner_id text,
    folders text[] GENERATED ALWAYS AS (string_to_array(name, '/')) STORED
);
CREATE TABLE storage.uploads (id bigserial PRIMARY KEY, bucket_id text NOT NULL REFERENCES storage.buckets);
ALTER TABLE storage.buckets ENABLE ROW LEVEL SECURITY;
ALTER TABLE storage.objects ENABLE ROW LEVEL SECURITY;
ALTER TABLE storage.uploads ENABLE ROW LEVEL SECURITY;
ALTER TABLE storage.migrations ENABLE ROW LEVEL SECURITY;
GRANT ALL ON storage.buckets, storage.objects TO postgres WITH GRANT OPTION;
GRANT ALL ON storage.buckets, storage.objects TO service_role, authenticated, anon;
REVOKE ALL ON storage.uploads FROM anon, authenticated;
GRANT SELECT ON storage.uploads TO authenticated, anon;
CREATE FUNCTION storage.last_part(name text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN RETURN (string_to_array(name, '/'))[array_upper(string_to_array(name, '/'), 1)]; END $$;
CREATE FUNCTION storage.refuse_deletion() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE insufficient_privilege USING MESSAGE = 'use the API'; END $$;
CREATE TRIGGER refuse_deletion BEFORE DELETE ON storage.buckets
    FOR EACH STATEMENT EXECUTE FUNCTION storage.refuse_deletion();
CREATE FUNCTION storage.count_objects(bucket text) RETURNS bigint LANGUAGE sql SECURITY DEFINER AS
$$ SELECT count(*) FROM storage.objects WHERE bucket_id = bucket $$;
CREATE UNIQUE INDEX CONCURRENTLY objects_by_name ON storage.objects (bucket_id, name);
DROP INDEX CONCURRENTLY storage.objects_by_name;
ALTER TABLE storage.objects ADD COLUMN IF NOT EXISTS metadata jsonb;
INSERT INTO storage.migrations VALUES (1, 'all of it') ON CONFLICT DO NOTHING;
