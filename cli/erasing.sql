-- The exports of a project, for `provision erase`. Placeholders are %(name)s.

-- name: find_exports
SELECT job_id, tenant_id, bytes, completed_at, erased_at,
       EXISTS (SELECT FROM control_plane.jobs
               WHERE jobs.job_id = exports.job_id AND jobs.status IN ('pending', 'running')) AS is_running
FROM control_plane.exports
WHERE project_id = %(project_id)s
ORDER BY created_at, job_id;

-- name: record_erased
UPDATE control_plane.exports
SET (erased_at, erased_by, erased_versions) = (now(), %(caller)s, coalesce(erased_versions, 0) + %(versions)s)
WHERE job_id = %(job_id)s;
