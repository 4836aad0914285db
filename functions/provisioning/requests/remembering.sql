-- Which request started which execution. Placeholders are %(name)s.

-- name: claim_request
-- Waits for another that sends the same request at this moment, until that one has committed or died.
INSERT INTO control_plane.requests
    (principal, route, key, body_sha256, job_id, job_type, project_id, rolls_back, session_name)
VALUES (%(principal)s, %(route)s, %(key)s, %(body_sha256)s, %(job_id)s, %(job_type)s, %(project_id)s, %(rolls_back)s,
        %(session_name)s)
ON CONFLICT (principal, route, key) DO NOTHING;

-- name: find_request
-- A statement of its own: one that had waited would still see the data from before it waited.
SELECT requests.job_id, requests.body_sha256 = %(body_sha256)s AS is_same_body,
       requests.xmin = pg_current_xact_id()::xid AS is_new,
       jobs.job_id IS NOT NULL AS is_in_ledger,
       (
           SELECT json_build_object(
               'organization_id', organization_id, 'owner_id', owner_id, 'region', region, 'status', projects.status,
               'is_protected', is_protected,
               'tenant_id', (SELECT tenant_id FROM control_plane.tenants
                             WHERE tenants.project_id = projects.project_id AND state IN ('active', 'suspended')),
               'job', (SELECT json_build_object('job_id', latest.job_id, 'job_type', latest.job_type,
                                                'status', latest.status, 'status_on_failure', latest.status_on_failure)
                       FROM control_plane.jobs AS latest WHERE latest.job_id = projects.job_id))
           FROM control_plane.projects WHERE projects.project_id = %(project_id)s
       ) AS project,
       (
           SELECT running.job_id FROM control_plane.jobs AS running
           WHERE running.excludes = %(excludes)s AND running.status IN ('pending', 'running')
       ) AS running
FROM control_plane.requests
LEFT JOIN control_plane.jobs USING (job_id)
WHERE principal = %(principal)s AND route = %(route)s AND key = %(key)s;

-- name: find_pending
SELECT job_id, job_type, project_id, rolls_back, principal, session_name, created_at
FROM control_plane.requests
WHERE job_id = %(job_id)s AND NOT EXISTS (SELECT FROM control_plane.jobs WHERE jobs.job_id = requests.job_id);

-- name: forget_old_requests
DELETE FROM control_plane.requests
WHERE job_id IN (
    SELECT job_id FROM control_plane.requests
    WHERE created_at < now() - %(days)s * interval '1 day'
    ORDER BY created_at
    LIMIT %(limit)s
);
