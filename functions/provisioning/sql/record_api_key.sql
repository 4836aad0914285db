INSERT INTO control_plane.api_keys (key_id, project_id, job_id, position, kind, prefix, hint, key_hash)
VALUES (%(key_id)s, %(project_id)s, %(job_id)s, %(position)s, %(kind)s, %(prefix)s, %(hint)s, %(key_hash)s)
ON CONFLICT (job_id, position) DO NOTHING;
