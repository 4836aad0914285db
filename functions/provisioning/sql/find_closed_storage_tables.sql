-- Those of Storage's tables that row level security closes to the service's own role.
SELECT relname::text
FROM pg_class
WHERE relnamespace = to_regnamespace('storage') AND relkind IN ('r', 'p') AND relrowsecurity
    AND has_table_privilege('service_role', oid, 'SELECT')
    AND NOT EXISTS (SELECT FROM pg_policy WHERE polrelid = pg_class.oid AND polname = 'service_role')
ORDER BY relname;
