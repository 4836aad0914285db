SELECT key_id::text, kind, prefix, hint, key_hash
FROM control_plane.api_keys
WHERE job_id = %(job_id)s
ORDER BY position;
