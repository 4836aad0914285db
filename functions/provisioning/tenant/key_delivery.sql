-- What becomes of the secret of revealed API keys. Placeholders are %(name)s.

-- name: record_unread
-- Undoes a claim whose secret could not be read: nobody has seen the keys. Once the last look is due the secret may be
-- gone.
UPDATE control_plane.api_key_secrets
SET revealed_at = NULL, revealed_by = NULL, revealed_key = NULL, look_again_at = NULL
WHERE tenant_id = %(tenant_id)s AND job_id = %(job_id)s AND look_again_at > now();

-- name: find_revealed_secrets
SELECT tenant_id, job_id, kept_until IS NOT NULL AS is_kept
FROM control_plane.api_key_secrets
WHERE look_again_at <= now()
ORDER BY look_again_at
LIMIT %(limit)s;

-- name: record_looked
UPDATE control_plane.api_key_secrets
SET look_again_at = CASE WHEN %(looks_again)s THEN now() + %(last_look)s * interval '1 second' END, kept_until = NULL
WHERE tenant_id = %(tenant_id)s AND job_id = %(job_id)s;
