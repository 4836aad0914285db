SELECT jobs.job_id, jobs.project_id, jobs.status AS job_status, jobs.rollback_started_at, jobs.payload, jobs.created_at,
       projects.organization_id, projects.owner_id, row_to_json(clusters) AS cluster,
       made.secret_arn, made.prepared,
       step.status AS step_status, step.output,
       current_setting('provisioner.held')::boolean AS held,
       nullif(current_setting('provisioner.attempt'), '')::integer AS attempt,
       current_setting('provisioner.declared')::jsonb AS declared
FROM control_plane.jobs
LEFT JOIN control_plane.projects USING (project_id)
LEFT JOIN control_plane.clusters USING (cluster_id)
LEFT JOIN control_plane.tenant_databases AS made ON made.job_id = jobs.job_id
LEFT JOIN control_plane.provisioning_steps AS step ON step.job_id = jobs.job_id AND step.stage = %(stage)s
WHERE jobs.job_id = %(job_id)s;
