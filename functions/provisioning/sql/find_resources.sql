-- The row of a resource goes only after the resource is gone, and "intended" ones may exist.
SELECT 'database' AS kind, database_name AS name, status = 'created' AS confirmed
FROM control_plane.tenant_databases WHERE job_id = %(job_id)s
UNION ALL
SELECT 'role', role_name, status = 'created'
FROM control_plane.tenant_databases, unnest(ARRAY [owner_role, login_role]) AS role_name WHERE job_id = %(job_id)s
UNION ALL
SELECT 'secret', coalesce(secret_arn, secret_name), secret_arn IS NOT NULL
FROM control_plane.tenant_databases WHERE job_id = %(job_id)s
UNION ALL
SELECT service || ' registration', coalesce(external_id, project_id), status = 'registered'
FROM control_plane.service_registrations WHERE job_id = %(job_id)s
UNION ALL
SELECT * FROM (
    SELECT kind || ' key', key_id || ', ends in ' || hint, true
    FROM control_plane.api_keys WHERE job_id = %(job_id)s ORDER BY position
) AS keys;
