-- What the laptop stack asks of the control plane when it starts.

-- name: find_unfinished_jobs
SELECT job_id, job_type, payload
FROM control_plane.jobs
WHERE status IN ('pending', 'running')
ORDER BY created_at;
