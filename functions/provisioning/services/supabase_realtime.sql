-- What Realtime needs of a tenant's database, over the tenant's own login. Placeholders are {name}, composed by psycopg2.sql.

-- name: prepare_realtime_schema
-- As the tenant's owner, for the login that only Realtime has: what its migrations and its readers require. The
-- publication belongs to the tenant, who adds the tables whose changes Realtime sends.
GRANT CONNECT, CREATE ON DATABASE {database} TO {realtime};
CREATE SCHEMA IF NOT EXISTS realtime;
GRANT ALL ON SCHEMA realtime TO {realtime} WITH GRANT OPTION;
DO $$ BEGIN
    IF NOT EXISTS (SELECT FROM pg_publication WHERE pubname = 'supabase_realtime') THEN
        CREATE PUBLICATION supabase_realtime;
    END IF;
END $$;
