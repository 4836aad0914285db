-- How "Record failure" closes a job. Placeholders are %(name)s.

-- name: find_job
SELECT project_id, status, last_error_type, last_error_message, rollback_started_at, result
FROM control_plane.jobs
WHERE job_id = %(job_id)s;

-- name: find_leftovers
-- What has a row may still exist, unless it was looked for and not found; and what the latest compensation left
-- unknown.
SELECT 'database tenant_' || tenant_id || ' with its roles and secret' AS leftover, true AS is_known
FROM control_plane.tenants
WHERE job_id = %(job_id)s AND (state IN ('making', 'claimed') OR (state = 'removing' AND removed_at IS NULL))
UNION ALL
SELECT service || ' registration of ' || tenant_id, status = 'registered'
FROM control_plane.service_registrations WHERE job_id = %(job_id)s AND status <> 'removed'
UNION ALL
SELECT count(*) || ' API keys of ' || tenant_id, true
FROM control_plane.api_keys WHERE job_id = %(job_id)s GROUP BY tenant_id
UNION ALL
SELECT leaves, true
FROM control_plane.provisioning_steps
WHERE job_id = %(job_id)s AND leaves IS NOT NULL AND status IN ('running', 'succeeded', 'failed')
UNION ALL
-- A job that failed after it was opened has run its compensations: without any record of them nobody knows what they did.
SELECT 'tenant ' || %(tenant_id)s || ': the control plane has lost the records of this job', false
WHERE %(tenant_id)s::text IS NOT NULL AND %(failed_stage)s <> 'initializing'
    AND NOT EXISTS (SELECT FROM control_plane.jobs WHERE job_id = %(job_id)s AND payload IS NOT NULL)
    AND NOT EXISTS (SELECT FROM control_plane.audit_log WHERE job_id = %(job_id)s AND action = 'compensated')
UNION ALL
SELECT DISTINCT unknown, false
FROM (
    SELECT DISTINCT ON (details -> 'stages') details
    FROM control_plane.audit_log
    WHERE job_id = %(job_id)s AND action = 'compensated'
    ORDER BY details -> 'stages', id DESC
) AS latest, jsonb_array_elements_text(latest.details -> 'unknown') AS unknown
ORDER BY leftover;

-- name: find_failed_step
-- The named stage, or else the one with the given error, or else the latest one with an error.
SELECT stage, attempt, error_type, error_message
FROM control_plane.provisioning_steps
WHERE job_id = %(job_id)s AND CASE %(stage)s WHEN '' THEN error_type IS NOT NULL ELSE stage = %(stage)s END
ORDER BY error_message = %(message)s DESC, started_at DESC NULLS LAST
LIMIT 1;

-- name: record_closed
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

-- Nothing is left of a job that is rolled back, although the record of a compensation may be lost. Its last stage has
-- nothing to undo.
UPDATE control_plane.provisioning_steps
SET status = 'compensated', completed_at = clock_timestamp()
WHERE job_id = %(job_id)s AND %(status)s = 'rolled_back' AND position > 0 AND stage <> 'finalizing'
    AND status IN ('running', 'succeeded', 'failed');

UPDATE control_plane.provisioning_steps
SET status = 'failed', completed_at = clock_timestamp(), error_type = %(error_type)s, error_message = %(error_message)s
WHERE job_id = %(job_id)s AND status = 'running';

-- A Lambda that never reached its handler, or whose answer was lost, has recorded no error in the ledger.
UPDATE control_plane.provisioning_steps
SET error_type = %(error_type)s, error_message = %(error_message)s
WHERE job_id = %(job_id)s AND stage = %(failed_stage)s AND error_type IS NULL;

-- While anything is left, the project accepts only the rollback or retry of this job.
UPDATE control_plane.projects
SET status = jobs.status_on_failure, updated_at = now()
FROM control_plane.jobs
WHERE jobs.job_id = %(job_id)s AND jobs.status <> 'rollback_incomplete' AND projects.job_id = jobs.job_id
    AND projects.status = jobs.status_while_running;

INSERT INTO control_plane.audit_log (action, job_id, project_id, details)
VALUES ('job closed', %(job_id)s, %(project_id)s,
        jsonb_build_object('status', %(status)s, 'error_type', %(error_type)s, 'leftovers', %(leftovers)s::jsonb));

-- name: find_removed
SELECT removed
FROM control_plane.audit_log, jsonb_array_elements_text(details -> 'removed') AS removed
WHERE job_id = %(job_id)s AND action = 'compensated'
ORDER BY id;

-- name: find_last_look
SELECT max(look_again_at) AS look_again_at
FROM control_plane.tenants
WHERE job_id = %(job_id)s AND state = 'removing' AND removed_at IS NOT NULL;
