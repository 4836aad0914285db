-- The stage that is named, or else the one whose error is the given one, or else the latest that has an error.
SELECT stage, attempt, error_type, error_message
FROM control_plane.provisioning_steps
WHERE job_id = %(job_id)s AND CASE %(stage)s WHEN '' THEN error_type IS NOT NULL ELSE stage = %(stage)s END
ORDER BY error_message = %(message)s DESC, started_at DESC NULLS LAST
LIMIT 1;
