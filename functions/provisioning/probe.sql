-- Queries of a probe on a cluster's register database, over a read-only session of the admin.

-- name: find_any_tenant
SELECT
FROM register.tenants
LIMIT 1;
