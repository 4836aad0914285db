-- What "Finalize" reads and records of a provisioned project. Placeholders are %(name)s.

-- name: find_api_keys (job_id text)
SELECT key_id::text, encode(key_hash, 'hex') AS hash
FROM control_plane.api_keys
WHERE job_id = %(job_id)s
ORDER BY position;

-- name: record_provisioned (job_id text, tenant_id text, database text, schema text)
SELECT set_config('provisioner.result', row_to_json(collected)::text, false)
FROM (
    SELECT jobs.project_id, tenants.tenant_id,
           json_build_object(
               'host', clusters.host, 'port', clusters.port, 'name', %(database)s, 'schema', %(schema)s,
               'engine', clusters.engine, 'version', clusters.version, 'size', clusters.size
           ) AS database,
           coalesce((
               SELECT json_object_agg(service, json_build_object(
                   'external_id', tenant_id, 'endpoint', endpoint, 'registered_at', registered_at) ORDER BY service)
               FROM control_plane.service_registrations
               WHERE service_registrations.tenant_id = tenants.tenant_id AND status = 'registered'
           ), '{}') AS services,
           (
               SELECT coalesce(json_agg(json_build_object(
                   'key_id', key_id, 'kind', kind, 'prefix', prefix, 'hint', hint, 'created_at', created_at
               ) ORDER BY position), '[]')
               FROM control_plane.api_keys
               WHERE job_id = jobs.job_id
           ) AS api_keys,
           tenants.secret_arn,
           json_build_object(
               'provisioned_at', clock_timestamp(), 'region', clusters.region, 'owner_id', projects.owner_id,
               'organization_id', projects.organization_id, 'job_id', jobs.job_id,
               'duration_ms', round(extract(epoch FROM clock_timestamp() - jobs.started_at) * 1000)::bigint,
               'attempts', jobs.attempts
           ) AS metadata
    FROM control_plane.jobs
    JOIN control_plane.projects USING (project_id)
    JOIN control_plane.clusters USING (cluster_id)
    JOIN control_plane.tenants ON tenants.job_id = jobs.job_id AND tenants.tenant_id = %(tenant_id)s
    WHERE jobs.job_id = %(job_id)s
) AS collected;
