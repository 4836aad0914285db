-- The queries of doctor about events, on the control plane. Placeholders are %(name)s.

-- name: find_refused_events
SELECT id, type, project_id, refusal, recorded_at
FROM control_plane.events
WHERE delivered_at IS NULL AND refusal IS NOT NULL
ORDER BY id
LIMIT %(limit)s;

-- name: find_waiting_events
SELECT count(*) AS number, coalesce(extract(epoch FROM clock_timestamp() - min(recorded_at)), 0)::float AS oldest_seconds
FROM control_plane.events
WHERE delivered_at IS NULL AND refusal IS NULL;
