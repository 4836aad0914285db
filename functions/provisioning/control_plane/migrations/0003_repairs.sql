-- When upkeep last asked the service about the tenant, and to what the service had migrated the tenant when nothing was
-- left to repair (services/repairs.py).

ALTER TABLE control_plane.service_registrations ADD COLUMN looked_at timestamptz, ADD COLUMN repaired_to text;
