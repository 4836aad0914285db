-- A job's progress, for display. Placeholders are %(name)s.

-- name: find_job
SELECT jobs.job_id, jobs.project_id, jobs.status, jobs.current_stage AS stage, jobs.progress_percent AS percent,
       jobs.attempts, jobs.last_error_type AS error_type, jobs.last_error_message AS error_message, jobs.leftovers,
       jobs.started_at, jobs.completed_at, jobs.created_at, jobs.started_by
FROM control_plane.jobs
WHERE jobs.job_id = %(job_id)s;

-- name: find_steps
SELECT stage, status, attempt, started_at, completed_at, error_type, error_message
FROM control_plane.provisioning_steps
WHERE job_id = %(job_id)s
ORDER BY position;

-- name: find_failed_compensations
-- Of each compensation that has failed and was not done since, the latest failure.
SELECT DISTINCT ON (failed.details -> 'stages')
       ARRAY(SELECT jsonb_array_elements_text(failed.details -> 'stages')) AS stages,
       failed.details ->> 'error_type' AS error_type, failed.details ->> 'error_message' AS error_message,
       failed.recorded_at AS failed_at
FROM control_plane.audit_log AS failed
WHERE failed.job_id = %(job_id)s AND failed.action = 'compensation failed'
    AND NOT EXISTS (
        SELECT FROM control_plane.audit_log AS done
        WHERE done.job_id = failed.job_id AND done.action = 'compensated' AND done.id > failed.id
            AND (done.details -> 'stages') @> (failed.details -> 'stages'))
ORDER BY failed.details -> 'stages', failed.id DESC;

-- name: find_jobs
SELECT job_id, execution_arn, project_id, status, current_stage AS stage, progress_percent AS percent, attempts
FROM control_plane.jobs
WHERE job_id = ANY (%(job_ids)s);

-- name: find_tenants
-- All but those that are gone, or were looked for and not found.
SELECT tenant_id, state, secret_arn, prepared IS NOT NULL AS is_made
FROM control_plane.tenants
WHERE job_id = %(job_id)s AND (state IN ('making', 'claimed', 'active', 'suspended')
    OR (state = 'removing' AND removed_at IS NULL))
ORDER BY created_at;

-- name: find_registrations_and_keys
SELECT service || ' registration' AS kind, tenant_id AS name, status = 'registered' AS confirmed, service AS place
FROM control_plane.service_registrations WHERE job_id = %(job_id)s AND status <> 'removed'
UNION ALL
SELECT kind || ' key', key_id || ', ends in ' || hint, true, 'z' || position
FROM control_plane.api_keys WHERE job_id = %(job_id)s
ORDER BY place;

-- name: find_removed
SELECT removed
FROM control_plane.audit_log, jsonb_array_elements_text(details -> 'removed') AS removed
WHERE job_id = %(job_id)s AND action = 'compensated'
ORDER BY id;
