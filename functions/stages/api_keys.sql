-- The control plane's rows of API keys. Placeholders are %(name)s.

-- name: record_intended_api_keys (job_id text)
INSERT INTO control_plane.api_key_secrets (tenant_id, job_id)
SELECT tenant_id, job_id
FROM control_plane.tenants
WHERE job_id = %(job_id)s AND state IN ('making', 'claimed') AND current_setting('provisioner.attempt') <> ''
ON CONFLICT DO NOTHING;

-- name: record_api_keys (tenant_id text, job_id text, prefix text, keys jsonb)
INSERT INTO control_plane.api_keys (key_id, tenant_id, job_id, position, kind, prefix, hint, key_hash)
SELECT key.key_id, %(tenant_id)s, %(job_id)s, key.position, key.kind, %(prefix)s, key.hint, decode(key.hash, 'hex')
FROM jsonb_to_recordset(%(keys)s) AS key (key_id uuid, position integer, kind text, hint text, hash text)
WHERE current_setting('provisioner.recorded')::boolean
ON CONFLICT (job_id, position) DO NOTHING;

-- name: record_api_keys_secret (tenant_id text, job_id text, secret_arn text)
UPDATE control_plane.api_key_secrets
SET secret_arn = %(secret_arn)s
WHERE tenant_id = %(tenant_id)s AND job_id = %(job_id)s AND current_setting('provisioner.recorded')::boolean;

-- name: forget_api_keys
DELETE FROM control_plane.api_keys WHERE job_id = %(job_id)s RETURNING key_id::text;

-- name: find_api_key_secrets
-- One that is kept for its reader has not been removed before.
SELECT tenant_id, revealed_at IS NOT NULL AND kept_until IS NULL AS is_removed
FROM control_plane.api_key_secrets
WHERE job_id = %(job_id)s
ORDER BY tenant_id;
