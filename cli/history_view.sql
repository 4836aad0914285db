-- What the ledger holds of a job's events. Placeholders are %(name)s.

-- name: find_events
SELECT recorded_at, action, stage, details FROM control_plane.audit_log WHERE job_id = %(job_id)s ORDER BY id;
