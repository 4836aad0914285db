-- The connections of a server. Over a session of the cluster's admin or of a superuser. Nothing is filled in.

-- name: find_connections
-- Those that the admin may use and tenants may not: of PostgreSQL since 16, and of RDS for members of its rds_superuser.
WITH settings AS (
    SELECT current_setting('max_connections')::integer AS maximum,
           current_setting('superuser_reserved_connections')::integer AS for_superusers,
           coalesce(nullif(current_setting('reserved_connections', true), '')::integer, 0) AS reserved,
           coalesce(nullif(current_setting('rds.rds_superuser_reserved_connections', true), '')::integer, 0) AS of_rds
), privileges AS (
    SELECT EXISTS (
               SELECT FROM pg_roles WHERE rolname = 'pg_use_reserved_connections' AND pg_has_role(oid, 'USAGE')
           ) AS may_use_reserved,
           EXISTS (SELECT FROM pg_roles WHERE rolname = 'rds_superuser' AND pg_has_role(oid, 'USAGE')) AS may_use_those_of_rds
)
SELECT maximum, maximum - for_superusers - reserved - of_rds AS ordinary, reserved,
       CASE WHEN may_use_reserved THEN reserved ELSE 0 END
           + CASE WHEN may_use_those_of_rds THEN of_rds ELSE 0 END AS kept
FROM settings, privileges;
