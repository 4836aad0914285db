-- What the control plane says about tenants. Nothing is filled in.

-- name: find_tenants
-- Every tenant that is not gone. Reconcile runs every minute; what a running job removes itself, it leaves to that job.
-- ListSecrets might not reflect changes from the last five minutes (API reference, ListSecrets).
-- Upkeep asks this of each cluster every ten minutes: the log, which only grows, is read by the index of a tenant that is
-- being removed, and each tenant is compared with hashes of the running jobs.
WITH running AS MATERIALIZED (
    SELECT job_id, tenant_id, project_id FROM control_plane.jobs WHERE status IN ('pending', 'running')
)
SELECT tenants.tenant_id, cluster_id, state, project_id, job_id,
       coalesce(
           job_id IN (SELECT job_id FROM running) OR tenants.tenant_id IN (SELECT tenant_id FROM running)
               OR project_id IN (SELECT project_id FROM running), false) AS is_busy,
       created_at > now() - interval '10 minutes' AS is_new,
       state = 'removing' AND look_again_at < now() - interval '15 minutes' AS is_overdue,
       CASE state WHEN 'removing' THEN (
           SELECT details ->> 'error_message' FROM control_plane.audit_log
           WHERE audit_log.tenant_id = tenants.tenant_id AND action = 'tenant looked at again'
           ORDER BY id DESC LIMIT 1
       ) END AS refusal,
       ARRAY(
           SELECT service FROM control_plane.service_registrations AS known
           WHERE known.tenant_id = tenants.tenant_id AND status = 'registered' ORDER BY service
       ) AS services,
       ARRAY(
           SELECT known.job_id FROM control_plane.api_key_secrets AS known
           WHERE known.tenant_id = tenants.tenant_id ORDER BY known.job_id
       ) AS key_jobs,
       ARRAY(
           SELECT known.job_id FROM control_plane.api_key_secrets AS known
           WHERE known.tenant_id = tenants.tenant_id AND revealed_at IS NULL
               AND created_at < now() - interval '10 minutes'
           ORDER BY known.job_id
       ) AS unrevealed
FROM control_plane.tenants
WHERE state <> 'gone'
ORDER BY tenants.tenant_id;
