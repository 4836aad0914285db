-- Where no login of Realtime's is configured
SET ROLE provisioner_realtime; -- 22023, 42501
SET ROLE supabase_realtime_admin; -- 22023, 42501
\connect user=provisioner_realtime -- 28P01
