-- Who gets the raw API keys of a project. Placeholders are %(name)s.

-- name: claim_api_keys
-- One update decides: of two concurrent callers the second finds the keys revealed. An attempt that was superseded
-- before the reveal may create the secret again, so it is looked for later.
WITH claimed AS (
    UPDATE control_plane.api_key_secrets AS kept
    SET revealed_at = now(), look_again_at = now() + %(last_look)s * interval '1 second'
    FROM control_plane.tenants
    WHERE tenants.project_id = %(project_id)s AND tenants.state = 'active'
        AND kept.tenant_id = tenants.tenant_id AND kept.job_id = tenants.job_id AND kept.revealed_at IS NULL
    RETURNING kept.tenant_id, kept.job_id, tenants.project_id
), recorded AS (
    INSERT INTO control_plane.audit_log (action, job_id, project_id, tenant_id)
    SELECT 'API keys revealed', job_id, project_id, tenant_id FROM claimed
)
SELECT (SELECT status FROM control_plane.projects WHERE project_id = %(project_id)s) AS status,
       (SELECT tenant_id FROM claimed) AS tenant_id, (SELECT job_id FROM claimed) AS job_id;

-- name: record_unread
-- Undoes a claim whose secret could not be read: nobody has seen the keys. Once the last look is due the secret may be
-- gone.
UPDATE control_plane.api_key_secrets
SET revealed_at = NULL, look_again_at = NULL
WHERE tenant_id = %(tenant_id)s AND job_id = %(job_id)s AND look_again_at > now();

-- name: find_revealed_secrets
SELECT tenant_id, job_id FROM control_plane.api_key_secrets WHERE look_again_at <= now() ORDER BY look_again_at LIMIT %(limit)s;

-- name: record_looked
UPDATE control_plane.api_key_secrets
SET look_again_at = CASE WHEN %(found)s THEN now() + %(last_look)s * interval '1 second' END
WHERE tenant_id = %(tenant_id)s AND job_id = %(job_id)s;
