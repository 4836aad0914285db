-- What lets a stage do with fewer round trips. First, what a job is going to call what it makes, so that a stage can claim itself and declare its intent in one round trip.
-- Empty for jobs of code that is older than this migration, which that code also ends.
ALTER TABLE control_plane.jobs ADD COLUMN tenant_names jsonb;

-- The schema that a database of the pool has already, as "Create tenant schema" answers it.
ALTER TABLE control_plane.pool_databases ADD COLUMN prepared jsonb;
ALTER TABLE control_plane.tenant_databases ADD COLUMN prepared jsonb;
