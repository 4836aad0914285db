-- The events of the control plane. Placeholders are %(name)s.

-- name: find_events
SELECT id, event_id::text, type, recorded_at, project_id, organization_id, job_id, job_type, tenant_id, error_type
FROM control_plane.events
WHERE id > %(after)s
ORDER BY id
LIMIT %(limit)s;

-- name: forget_old_events
DELETE FROM control_plane.events
WHERE id IN (
    SELECT id FROM control_plane.events
    WHERE recorded_at < now() - %(days)s * interval '1 day'
    ORDER BY id
    LIMIT %(limit)s
);
