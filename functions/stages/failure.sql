-- How "Record failure" closes a job. Placeholders are %(name)s.

-- name: find_job
SELECT jobs.status, result,
       json_build_object(
           'project_id', project_id, 'job_type', job_type, 'status', jobs.status, 'was_opened', payload IS NOT NULL,
           'organization_id', payload ->> 'organization_id', 'owner_id', payload ->> 'owner_id',
           'tenant_id', jobs.tenant_id, 'status_on_success', status_on_success) AS opened,
       (
           SELECT json_build_object(
               'organization_id', organization_id, 'owner_id', owner_id, 'status', projects.status,
               'tenant_id', (SELECT tenant_id FROM control_plane.tenants
                             WHERE tenants.project_id = projects.project_id AND state IN ('active', 'suspended')))
           FROM control_plane.projects WHERE projects.project_id = jobs.project_id
       ) AS project
FROM control_plane.jobs
WHERE job_id = %(job_id)s;

-- name: find_failed_step
-- The stage with the given error, or else the latest one with an error.
SELECT stage, error_type, error_message
FROM control_plane.provisioning_steps
WHERE job_id = %(job_id)s AND error_type IS NOT NULL
ORDER BY error_message = %(message)s DESC, started_at DESC NULLS LAST
LIMIT 1;

-- name: record_closed
-- A job that failed before it was opened (a bad payload, an ineligible project) has no row yet: it gets one here. Every
-- part names the type: a job of another type may open under the same name at this moment.
INSERT INTO control_plane.jobs AS job
    (job_id, job_type, project_id, execution_arn, status, current_stage, failed_stage, last_error_type,
     last_error_message, leftovers, completed_at, started_by)
VALUES (%(job_id)s, %(job_type)s, %(project_id)s, %(execution_arn)s, %(status)s, %(current_stage)s, %(failed_stage)s,
        %(error_type)s, %(error_message)s, %(leftovers)s, clock_timestamp(), control_plane.starter_of(%(job_id)s))
ON CONFLICT (job_id) DO UPDATE
    SET status = EXCLUDED.status, current_stage = EXCLUDED.current_stage, leftovers = EXCLUDED.leftovers,
        failed_stage = CASE WHEN job.last_error_type IS NULL THEN EXCLUDED.failed_stage ELSE job.failed_stage END,
        last_error_type = coalesce(job.last_error_type, EXCLUDED.last_error_type),
        last_error_message = coalesce(job.last_error_message, EXCLUDED.last_error_message),
        completed_at = coalesce(job.completed_at, EXCLUDED.completed_at)
    WHERE job.status <> 'succeeded' AND job.job_type = EXCLUDED.job_type;

-- Nothing is left of a job that is rolled back, although the record of a compensation may be lost.
UPDATE control_plane.provisioning_steps AS step
SET status = 'compensated', completed_at = clock_timestamp()
FROM control_plane.jobs
WHERE step.job_id = %(job_id)s AND %(status)s = 'rolled_back' AND step.stage = ANY (%(undoable)s)
    AND step.status IN ('running', 'succeeded', 'failed')
    AND jobs.job_id = step.job_id AND jobs.job_type = %(job_type)s;

UPDATE control_plane.provisioning_steps AS step
SET status = 'failed', completed_at = clock_timestamp(), error_type = %(error_type)s, error_message = %(error_message)s
FROM control_plane.jobs
WHERE step.job_id = %(job_id)s AND step.status = 'running'
    AND jobs.job_id = step.job_id AND jobs.job_type = %(job_type)s;

-- A Lambda that never reached its handler, or whose answer was lost, has recorded no error in the ledger.
UPDATE control_plane.provisioning_steps AS step
SET error_type = %(error_type)s, error_message = %(error_message)s
FROM control_plane.jobs
WHERE step.job_id = %(job_id)s AND step.stage = %(failed_stage)s AND step.error_type IS NULL
    AND jobs.job_id = step.job_id AND jobs.job_type = %(job_type)s;

-- While anything is left, the project accepts only the rollback or retry of this job.
UPDATE control_plane.projects
SET status = jobs.status_on_failure, updated_at = now()
FROM control_plane.jobs
WHERE jobs.job_id = %(job_id)s AND jobs.job_type = %(job_type)s AND jobs.status <> 'rollback_incomplete'
    AND projects.job_id = jobs.job_id AND projects.status = jobs.status_while_running;

INSERT INTO control_plane.audit_log (action, job_id, project_id, details)
VALUES ('job closed', %(job_id)s, %(project_id)s,
        jsonb_build_object('status', %(status)s, 'error_type', %(error_type)s, 'leftovers', %(leftovers)s::jsonb));
