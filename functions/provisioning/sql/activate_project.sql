-- Either all of it or, when the job is being rolled back, none of it: the caller looks at whether a row came back.
UPDATE control_plane.jobs
SET status = 'succeeded', current_stage = 'completed', completed_at = clock_timestamp(),
    last_error_type = NULL, last_error_message = NULL
WHERE job_id = %(job_id)s AND status = 'running' AND rollback_started_at IS NULL;

UPDATE control_plane.projects
SET status = 'active', updated_at = now()
FROM control_plane.jobs
WHERE projects.project_id = jobs.project_id AND projects.job_id = jobs.job_id AND projects.status = 'provisioning'
    AND jobs.job_id = %(job_id)s AND jobs.status = 'succeeded'
RETURNING projects.project_id;
