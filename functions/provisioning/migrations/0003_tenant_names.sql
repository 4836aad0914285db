-- What a job is going to call what it makes, so that a stage can claim itself and declare its intent in one round trip.
-- Empty for jobs of code that is older than this migration, which that code also ends.
ALTER TABLE control_plane.jobs ADD COLUMN tenant_names jsonb;
