-- What is known of a job that a request changes. Placeholders are %(name)s.

-- name: find_known
-- A job that has not opened is known by the request that asked for it.
SELECT asked.job_id, coalesce(jobs.job_type, requests.job_type) AS job_type,
       coalesce(jobs.project_id, requests.project_id) AS project_id, jobs.payload
FROM (VALUES (%(job_id)s)) AS asked (job_id)
LEFT JOIN control_plane.jobs USING (job_id)
LEFT JOIN control_plane.requests ON requests.job_id = asked.job_id AND requests.rolls_back IS NULL
WHERE jobs.job_id IS NOT NULL OR requests.job_id IS NOT NULL;
