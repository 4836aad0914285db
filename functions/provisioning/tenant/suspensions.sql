-- A tenant's access before its suspension, in the control plane. Placeholders are %(name)s.

-- name: record_closing
-- Before the first change. A tenant whose logins can log in is open, so what was recorded of an earlier suspension is
-- outdated. A tenant that this or an earlier attempt has begun to close keeps what was recorded first, and so does one
-- that this job has opened and is closing again.
INSERT INTO control_plane.suspensions AS known (tenant_id, job_id, logins, connection_limit, allow_connections)
SELECT %(tenant_id)s, %(job_id)s, %(logins)s, %(connection_limit)s, %(allow_connections)s
FROM control_plane.projects WHERE projects.job_id = %(job_id)s
ON CONFLICT (tenant_id) DO UPDATE
    SET job_id = EXCLUDED.job_id, recorded_at = now(), restored_at = NULL,
        (logins, grants, connection_limit, allow_connections) = (
            SELECT EXCLUDED.logins, NULL::jsonb, EXCLUDED.connection_limit, EXCLUDED.allow_connections
            WHERE EXCLUDED.logins <> '{}' OR (known.restored_at IS NOT NULL AND known.job_id <> EXCLUDED.job_id)
            UNION ALL
            SELECT known.logins, known.grants, known.connection_limit, known.allow_connections
            WHERE NOT (
                EXCLUDED.logins <> '{}' OR (known.restored_at IS NOT NULL AND known.job_id <> EXCLUDED.job_id)));

-- name: find_suspension
SELECT job_id, logins, grants, connection_limit, allow_connections
FROM control_plane.suspensions
WHERE tenant_id = %(tenant_id)s;

-- name: record_grants
UPDATE control_plane.suspensions
SET grants = %(grants)s
WHERE tenant_id = %(tenant_id)s AND job_id = %(job_id)s AND grants IS NULL;

-- name: record_opening
-- The job that opens the tenant again also undoes that if it fails.
UPDATE control_plane.suspensions SET job_id = %(job_id)s
WHERE tenant_id = %(tenant_id)s AND EXISTS (SELECT FROM control_plane.projects WHERE projects.job_id = %(job_id)s);

-- name: record_restored
UPDATE control_plane.suspensions SET restored_at = now() WHERE tenant_id = %(tenant_id)s AND job_id = %(job_id)s;

-- name: find_tenant_of_job
-- The live tenant that a job works on, while the job is the latest of its project.
SELECT chosen.document AS tenant
FROM control_plane.jobs
JOIN control_plane.projects ON projects.job_id = jobs.job_id
JOIN control_plane.tenants ON tenants.tenant_id = jobs.tenant_id AND tenants.project_id = jobs.project_id
JOIN control_plane.tenant_documents AS chosen ON chosen.tenant_id = tenants.tenant_id
WHERE jobs.job_id = %(job_id)s AND tenants.state IN ('active', 'suspended');
