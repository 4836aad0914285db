INSERT INTO control_plane.jobs
    (job_id, job_type, project_id, cluster_id, execution_arn, payload, status, attempts, current_stage,
     progress_percent, started_at, tenant_names)
VALUES (%(job_id)s, %(job_type)s, %(project_id)s, %(cluster_id)s, %(execution_arn)s, %(payload)s, 'running', 1,
        'initializing', %(progress_percent)s, now(), %(tenant_names)s);

INSERT INTO control_plane.provisioning_steps
    (job_id, stage, position, status, attempt, started_at, completed_at, output)
SELECT %(job_id)s, step.stage, step.position, step.status,
       CASE step.status WHEN 'succeeded' THEN 1 ELSE 0 END,
       CASE step.status WHEN 'succeeded' THEN now() END,
       CASE step.status WHEN 'succeeded' THEN clock_timestamp() END,
       CASE step.status WHEN 'succeeded' THEN %(output)s::jsonb END
FROM jsonb_to_recordset(%(steps)s::jsonb) AS step (stage text, position integer, status text);

UPDATE control_plane.projects
SET status = 'provisioning', job_id = %(job_id)s, updated_at = now()
WHERE project_id = %(project_id)s;

INSERT INTO control_plane.audit_log (action, job_id, project_id, stage, details)
VALUES ('job opened', %(job_id)s, %(project_id)s, 'initializing', jsonb_build_object('cluster_id', %(cluster_id)s));
