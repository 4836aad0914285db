-- A job's events in the ledger. Placeholders are %(name)s.

-- name: find_events
SELECT recorded_at, action, stage, details FROM control_plane.audit_log WHERE job_id = %(job_id)s ORDER BY id;
