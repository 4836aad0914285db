SELECT jobs.job_id, jobs.job_type, jobs.project_id, jobs.execution_arn, jobs.payload, jobs.status, jobs.attempts,
       jobs.max_attempts, jobs.current_stage, jobs.progress_percent, jobs.last_error_type, jobs.last_error_message,
       jobs.leftovers, jobs.result, jobs.created_at, jobs.started_at, jobs.rollback_started_at, jobs.completed_at,
       projects.organization_id, projects.owner_id, row_to_json(clusters) AS cluster
FROM control_plane.jobs
LEFT JOIN control_plane.projects USING (project_id)
LEFT JOIN control_plane.clusters USING (cluster_id)
WHERE jobs.job_id = %(job_id)s;
