-- The queries of doctor on a cluster. Nothing is filled in.

-- name: find_registered
SELECT tenant_id, control_plane_id::text, job_id, project_id, state, is_changing FROM register.tenants ORDER BY tenant_id;
