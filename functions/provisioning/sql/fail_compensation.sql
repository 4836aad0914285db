INSERT INTO control_plane.audit_log (action, job_id, project_id, details)
SELECT 'compensation failed', job_id, project_id,
       jsonb_build_object('stages', %(stages)s::text[], 'error_type', %(error_type)s, 'error_message', %(error_message)s)
FROM control_plane.jobs
WHERE job_id = %(job_id)s;
