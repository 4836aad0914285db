UPDATE control_plane.jobs
SET status = 'succeeded', current_stage = 'completed', completed_at = clock_timestamp(),
    last_error_type = NULL, last_error_message = NULL, result = current_setting('provisioner.result')::jsonb
WHERE job_id = %(job_id)s AND current_setting('provisioner.recorded')::boolean;

UPDATE control_plane.provisioning_steps
SET output = current_setting('provisioner.result')::jsonb
WHERE job_id = %(job_id)s AND stage = %(stage)s AND current_setting('provisioner.recorded')::boolean;

UPDATE control_plane.projects
SET status = 'active', updated_at = now()
FROM control_plane.jobs
WHERE projects.project_id = jobs.project_id AND jobs.job_id = %(job_id)s
    AND current_setting('provisioner.recorded')::boolean;
