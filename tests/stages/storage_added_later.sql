-- What a later version of a service like Supabase Storage adds to every registered tenant: a table that row level
-- security closes to all but its owner.
CREATE TABLE IF NOT EXISTS storage.vectors (id bigserial PRIMARY KEY, bucket_id text NOT NULL REFERENCES storage.buckets);
ALTER TABLE storage.vectors ENABLE ROW LEVEL SECURITY;
INSERT INTO storage.migrations VALUES (2, 'added later') ON CONFLICT DO NOTHING;
