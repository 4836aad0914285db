-- What the control plane says about tenants. Nothing is filled in.

-- name: find_tenants
-- Every tenant that is not gone. Reconcile runs every minute; what a running job removes itself, it leaves to that job.
-- ListSecrets might not reflect changes from the last five minutes (API reference, ListSecrets).
WITH looked AS (
    SELECT DISTINCT ON (tenant_id) tenant_id, details ->> 'error_message' AS refusal
    FROM control_plane.audit_log
    WHERE action = 'tenant looked at again'
    ORDER BY tenant_id, id DESC
), busy AS (
    SELECT DISTINCT tenants.tenant_id
    FROM control_plane.jobs
    JOIN control_plane.tenants
        ON tenants.job_id = jobs.job_id OR tenants.tenant_id = jobs.tenant_id OR tenants.project_id = jobs.project_id
    WHERE jobs.status IN ('pending', 'running')
)
SELECT tenants.tenant_id, cluster_id, state, project_id, job_id,
       EXISTS (SELECT FROM busy WHERE busy.tenant_id = tenants.tenant_id) AS is_busy,
       created_at > now() - interval '10 minutes' AS is_new,
       state = 'removing' AND look_again_at < now() - interval '15 minutes' AS is_overdue,
       CASE state WHEN 'removing' THEN looked.refusal END AS refusal,
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
LEFT JOIN looked USING (tenant_id)
WHERE state <> 'gone'
ORDER BY tenants.tenant_id;
