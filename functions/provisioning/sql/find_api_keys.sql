SELECT set_config('provisioner.declared', json_build_object('api_keys', coalesce(
           json_agg(json_build_object('key_id', key_id, 'hash', encode(key_hash, 'hex')) ORDER BY position), '[]'))::text, true)
FROM control_plane.api_keys
WHERE job_id = %(job_id)s;
