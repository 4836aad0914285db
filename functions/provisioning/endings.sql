-- A job's ending. Placeholders are %(name)s.

-- name: find_ending
-- One row, also for a job that the control plane does not know. What has a row may still exist, unless it was looked for
-- and not found; the latest compensations say what they left unknown.
WITH leftovers (leftover, is_known) AS (
    SELECT coalesce(
               'roles of tenant_' || tenant_id || ', which are held up by ' || held_up,
               'database tenant_' || tenant_id || ' with its roles and secret'), true
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
    SELECT DISTINCT unknown, false
    FROM (
        SELECT DISTINCT ON (details -> 'stages') details
        FROM control_plane.audit_log
        WHERE job_id = %(job_id)s AND action = 'compensated'
        ORDER BY details -> 'stages', id DESC
    ) AS latest, jsonb_array_elements_text(latest.details -> 'unknown') AS unknown
    UNION ALL
    -- The records of this job were lost, and so were those of its compensations.
    SELECT jsonb_array_elements_text(leftovers), false
    FROM control_plane.jobs
    WHERE job_id = %(job_id)s AND payload IS NULL AND status = 'rollback_incomplete'
        AND NOT EXISTS (SELECT FROM control_plane.audit_log WHERE job_id = %(job_id)s AND action = 'compensated')
)
SELECT asked.job_id, jobs.job_type, jobs.project_id, jobs.execution_arn, jobs.status AS outcome,
       jobs.payload IS NOT NULL AS is_opened, jobs.rollback_started_at IS NOT NULL AS is_rolled_back,
       EXISTS (
           SELECT FROM control_plane.audit_log
           WHERE audit_log.job_id = asked.job_id AND action = 'compensated') AS is_compensated,
       jobs.last_error_type AS error_type, jobs.last_error_message AS message, jobs.failed_stage AS stage, step.attempt,
       step.error_message AS stage_message,
       ARRAY(
           SELECT removed
           FROM control_plane.audit_log,
                jsonb_array_elements_text(details -> 'removed') WITH ORDINALITY AS one (removed, position)
           WHERE audit_log.job_id = asked.job_id AND action = 'compensated'
           GROUP BY removed
           ORDER BY min(ARRAY[id, position])) AS undone,
       ARRAY(SELECT leftover FROM leftovers WHERE is_known ORDER BY leftover) AS left,
       ARRAY(SELECT leftover FROM leftovers WHERE NOT is_known ORDER BY leftover) AS unknown,
       ARRAY(
           SELECT stage FROM control_plane.provisioning_steps AS begun
           WHERE begun.job_id = asked.job_id AND attempt > 0 AND status IN ('running', 'succeeded', 'failed')
           ORDER BY position) AS begun,
       (
           SELECT max(look_again_at) FROM control_plane.tenants
           WHERE tenants.job_id = asked.job_id AND state = 'removing' AND removed_at IS NOT NULL
       ) AS last_look,
       -- Only of a project that the refused job may know of.
       (
           SELECT blocker.job_id
           FROM control_plane.projects
           JOIN control_plane.jobs AS blocker ON blocker.job_id = projects.job_id
           WHERE projects.project_id = jobs.project_id AND jobs.payload IS NULL AND jobs.status = 'failed'
               AND jobs.last_error_type IN ('PROJECT_NOT_ELIGIBLE', 'JOB_IN_PROGRESS', 'SUSPEND_IN_PROGRESS')
               AND blocker.job_id <> jobs.job_id AND blocker.status IN ('running', 'stopped', 'rollback_incomplete')
       ) AS blocked_by,
       coalesce(jobs.started_at > now() - interval '60 seconds', false) AS is_recent
FROM (VALUES (%(job_id)s)) AS asked (job_id)
LEFT JOIN control_plane.jobs USING (job_id)
LEFT JOIN control_plane.provisioning_steps AS step ON step.job_id = jobs.job_id AND step.stage = jobs.failed_stage;
