-- The row of a resource goes only after the resource is gone, so what has a row may still exist.
SELECT 'database ' || database_name || ' with its roles and secret' AS leftover
FROM control_plane.tenant_databases WHERE job_id = %(job_id)s
UNION ALL
SELECT service || ' registration of ' || project_id
FROM control_plane.service_registrations WHERE job_id = %(job_id)s
UNION ALL
SELECT count(*) || ' API keys of ' || project_id
FROM control_plane.api_keys WHERE job_id = %(job_id)s GROUP BY project_id
ORDER BY leftover;
