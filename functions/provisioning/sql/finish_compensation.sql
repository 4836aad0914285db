UPDATE control_plane.provisioning_steps
SET status = 'compensated', completed_at = clock_timestamp()
WHERE job_id = %(job_id)s AND stage = ANY (%(stages)s) AND status IN ('running', 'succeeded', 'failed');

INSERT INTO control_plane.audit_log (action, job_id, project_id, details)
SELECT 'compensated', job_id, project_id, jsonb_build_object('stages', %(stages)s::text[], 'removed', %(removed)s::text[])
FROM control_plane.jobs
WHERE job_id = %(job_id)s;
