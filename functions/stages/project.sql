-- What "Verify project" reads and writes, in one transaction and two round trips. Placeholders are %(name)s.

-- name: lock_project (project_id text)
SELECT FROM control_plane.projects WHERE project_id = %(project_id)s FOR UPDATE;

-- name: lock_clusters (region text, engine text, version text, size text)
-- Two jobs cannot both take the last place. The count is a separate statement: one that had waited for the lock itself
-- would still see the data from before it waited.
SELECT
FROM control_plane.clusters
WHERE region = %(region)s AND engine = %(engine)s AND version = %(version)s AND size = %(size)s
ORDER BY cluster_id
FOR UPDATE;

-- name: record_project_tenant (job_id text, project_id text)
-- Sets the job's tenant to the live one of its project.
UPDATE control_plane.jobs
SET tenant_id = tenants.tenant_id, cluster_id = tenants.cluster_id
FROM control_plane.tenants
WHERE jobs.job_id = %(job_id)s AND tenants.project_id = %(project_id)s AND state IN ('active', 'suspended');

-- name: record_job (job_id text, job_type text, project_id text, execution_arn text, payload jsonb, progress_percent integer, excludes text, status_while_running text, status_on_success text, status_on_failure text, removes_tenant boolean, adds boolean, success_event text)
INSERT INTO control_plane.jobs
    (job_id, job_type, project_id, execution_arn, payload, status, attempts, current_stage, progress_percent, started_at,
     excludes, status_while_running, status_on_success, status_on_failure, removes_tenant, started_by, counted_for,
     success_event)
VALUES (%(job_id)s, %(job_type)s, %(project_id)s, %(execution_arn)s, %(payload)s, 'running', 1, 'initializing',
        %(progress_percent)s, now(), %(excludes)s, %(status_while_running)s, %(status_on_success)s, %(status_on_failure)s,
        %(removes_tenant)s, control_plane.starter_of(%(job_id)s),
        (SELECT organization_id FROM control_plane.projects WHERE project_id = %(project_id)s AND %(adds)s),
        %(success_event)s);

-- name: claim_project (job_id text, project_id text, status_while_running text, storage_gb integer)
UPDATE control_plane.projects
SET status = %(status_while_running)s, job_id = %(job_id)s, updated_at = now(),
    storage_gb = coalesce(%(storage_gb)s, storage_gb)
WHERE project_id = %(project_id)s;

-- name: record_retried (job_id text, retries text)
-- A retry takes over what the earlier job has begun to close or to open: to finish it, or to undo it.
UPDATE control_plane.suspensions SET job_id = %(job_id)s WHERE job_id = %(retries)s;

-- name: record_opened (job_id text)
INSERT INTO control_plane.audit_log (action, job_id, project_id, tenant_id, stage, details)
SELECT 'job opened', job_id, project_id, tenant_id, 'initializing', jsonb_build_object('cluster_id', cluster_id, 'job_type', job_type)
FROM control_plane.jobs
WHERE job_id = %(job_id)s;

-- name: record_steps (job_id text, steps jsonb)
INSERT INTO control_plane.provisioning_steps
    (job_id, stage, position, status, leaves, attempt, started_at, completed_at, output)
SELECT jobs.job_id, step.stage, step.position, step.status, step.leaves,
       CASE step.status WHEN 'succeeded' THEN 1 ELSE 0 END,
       CASE step.status WHEN 'succeeded' THEN now() END,
       CASE step.status WHEN 'succeeded' THEN clock_timestamp() END,
       CASE step.status WHEN 'succeeded' THEN jsonb_build_object(
           'job_id', jobs.job_id, 'project_id', jobs.project_id, 'tenant_id', jobs.tenant_id) END
FROM jsonb_to_recordset(%(steps)s) AS step (stage text, position integer, status text, leaves text), control_plane.jobs
WHERE jobs.job_id = %(job_id)s;

-- name: find_opened (job_id text)
SELECT output FROM control_plane.provisioning_steps WHERE job_id = %(job_id)s AND position = 0;
