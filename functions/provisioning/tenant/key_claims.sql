-- Who gets the raw API keys of a project. Placeholders are %(name)s.

-- name: claim_api_keys
-- One update decides: of two concurrent callers the second finds the keys revealed. An attempt that was superseded
-- before the reveal may create the secret again, so it is looked for later.
WITH claimed AS (
    UPDATE control_plane.api_key_secrets AS kept
    SET revealed_at = now(), revealed_by = %(revealed_by)s, revealed_key = %(revealed_key)s,
        look_again_at = now() + %(look_after)s * interval '1 second',
        kept_until = CASE WHEN %(is_kept)s THEN now() + %(look_after)s * interval '1 second' END
    FROM control_plane.projects
    JOIN control_plane.tenants ON tenants.project_id = projects.project_id AND tenants.state = 'active'
    WHERE projects.project_id = %(project_id)s AND projects.status = 'active'
        AND kept.tenant_id = tenants.tenant_id AND kept.job_id = tenants.job_id AND kept.revealed_at IS NULL
        AND (kept.secret_arn IS NOT NULL OR NOT %(is_kept)s)
        AND NOT EXISTS (SELECT FROM control_plane.api_key_secrets AS other
                        WHERE other.revealed_by = %(revealed_by)s AND other.revealed_key = %(revealed_key)s)
    RETURNING kept.tenant_id, kept.job_id, tenants.project_id
)
INSERT INTO control_plane.audit_log (action, job_id, project_id, tenant_id, details)
SELECT 'API keys revealed', job_id, project_id, tenant_id,
       jsonb_build_object('by', %(revealed_by)s::text, 'session', %(session_name)s::text)
FROM claimed;

-- name: find_claim
-- A statement of its own: one that had waited would still see the data from before it waited.
SELECT projects.status, kept.tenant_id, kept.job_id, kept.revealed_at, kept.secret_arn, kept.kept_until,
       coalesce((kept.revealed_by, kept.revealed_key) = (%(revealed_by)s, %(revealed_key)s), false) AS is_mine,
       coalesce(kept.xmin = pg_current_xact_id()::xid, false) AS is_new,
       EXISTS (SELECT FROM control_plane.api_key_secrets AS other
               WHERE other.revealed_by = %(revealed_by)s AND other.revealed_key = %(revealed_key)s) AS is_used
FROM control_plane.projects
LEFT JOIN control_plane.tenants ON tenants.project_id = projects.project_id AND state IN ('active', 'suspended')
LEFT JOIN control_plane.api_key_secrets AS kept ON (kept.tenant_id, kept.job_id) = (tenants.tenant_id, tenants.job_id)
WHERE projects.project_id = %(project_id)s;
