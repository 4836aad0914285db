INSERT INTO control_plane.api_keys (key_id, project_id, job_id, position, kind, prefix, hint, key_hash)
SELECT key.key_id, jobs.project_id, jobs.job_id, key.position, key.kind, %(prefix)s, key.hint, decode(key.hash, 'hex')
FROM jsonb_to_recordset(%(keys)s::jsonb) AS key (key_id uuid, position integer, kind text, hint text, hash text)
JOIN control_plane.jobs ON jobs.job_id = %(job_id)s
WHERE current_setting('provisioner.recorded')::boolean
ON CONFLICT (job_id, position) DO NOTHING;
