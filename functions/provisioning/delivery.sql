-- The delivery of events. Placeholders are %(name)s.

-- name: find_due_events
SELECT id, event_id::text, type, recorded_at, project_id, organization_id, job_id, job_type, tenant_id, error_type
FROM control_plane.events
WHERE delivered_at IS NULL AND (send_after IS NULL OR send_after <= clock_timestamp())
ORDER BY id
LIMIT %(limit)s;

-- name: record_delivered
UPDATE control_plane.events
SET delivered_at = clock_timestamp(), refusal = NULL, send_after = NULL
WHERE id = ANY(%(ids)s);

-- name: record_refused
-- A minute later, then two, and then every five.
UPDATE control_plane.events
SET refusals = refusals + 1, refusal = %(refusal)s,
    send_after = clock_timestamp() + least(refusals + 1, 5) * interval '1 minute'
WHERE id = ANY(%(ids)s);

-- name: find_undelivered
SELECT count(*) AS number, coalesce(extract(epoch FROM clock_timestamp() - min(recorded_at)), 0)::float AS oldest_seconds
FROM control_plane.events
WHERE delivered_at IS NULL;
