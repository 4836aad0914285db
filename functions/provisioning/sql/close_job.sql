-- A job that failed before it was opened (a bad payload, an ineligible project) has no row yet: it gets one here.
INSERT INTO control_plane.jobs AS job
    (job_id, job_type, project_id, execution_arn, status, current_stage, last_error_type, last_error_message, leftovers,
     completed_at)
VALUES (%(job_id)s, %(job_type)s, %(project_id)s, %(execution_arn)s, %(status)s, %(current_stage)s, %(error_type)s,
        %(error_message)s, %(leftovers)s, clock_timestamp())
ON CONFLICT (job_id) DO UPDATE
    SET status = EXCLUDED.status, current_stage = EXCLUDED.current_stage, leftovers = EXCLUDED.leftovers,
        last_error_type = coalesce(job.last_error_type, EXCLUDED.last_error_type),
        last_error_message = coalesce(job.last_error_message, EXCLUDED.last_error_message),
        completed_at = coalesce(job.completed_at, EXCLUDED.completed_at)
    WHERE job.status <> 'succeeded';

UPDATE control_plane.provisioning_steps
SET status = 'failed', completed_at = clock_timestamp(), error_type = %(error_type)s, error_message = %(error_message)s
WHERE job_id = %(job_id)s AND status = 'running';

-- Of a Lambda that never reached its handler, or whose answer was lost, the ledger has heard nothing so far.
UPDATE control_plane.provisioning_steps
SET error_type = %(error_type)s, error_message = %(error_message)s
WHERE job_id = %(job_id)s AND stage = %(failed_stage)s AND error_type IS NULL;

UPDATE control_plane.projects
SET status = 'failed', updated_at = now()
WHERE job_id = %(job_id)s AND status = 'provisioning';

INSERT INTO control_plane.audit_log (action, job_id, project_id, details)
VALUES ('job closed', %(job_id)s, %(project_id)s,
        jsonb_build_object('status', %(status)s, 'error_type', %(error_type)s, 'leftovers', %(leftovers)s::jsonb));
