-- The queries of doctor on the control plane. Placeholders are %(name)s.

-- name: find_stopped_jobs
SELECT job_id FROM control_plane.jobs WHERE status = 'stopped' ORDER BY created_at;

-- name: find_rooms
SELECT cluster_id, room FROM control_plane.cluster_room;
