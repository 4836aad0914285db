-- As text that keeps the order of its fields, for the end of this round trip, after the commit.
SELECT set_config('provisioner.result', row_to_json(collected)::text, false)
FROM (
    SELECT jobs.project_id,
           json_build_object(
               'host', clusters.host, 'port', clusters.port, 'name', made.database_name, 'schema', %(schema)s,
               'engine', clusters.engine, 'version', clusters.version, 'size', clusters.size
           ) AS database,
           coalesce((
               SELECT json_object_agg(service, json_build_object(
                   'external_id', external_id, 'endpoint', endpoint, 'registered_at', registered_at) ORDER BY service)
               FROM control_plane.service_registrations
               WHERE job_id = jobs.job_id AND status = 'registered'
           ), '{}') AS services,
           (
               SELECT coalesce(json_agg(json_build_object(
                   'key_id', key_id, 'kind', kind, 'prefix', prefix, 'hint', hint, 'created_at', created_at
               ) ORDER BY position), '[]')
               FROM control_plane.api_keys
               WHERE job_id = jobs.job_id
           ) AS api_keys,
           made.secret_arn,
           json_build_object(
               'provisioned_at', clock_timestamp(), 'region', clusters.region, 'owner_id', projects.owner_id,
               'organization_id', projects.organization_id, 'job_id', jobs.job_id,
               'duration_ms', round(extract(epoch FROM clock_timestamp() - jobs.started_at) * 1000)::bigint,
               'attempts', jobs.attempts
           ) AS metadata
    FROM control_plane.jobs
    JOIN control_plane.projects USING (project_id)
    JOIN control_plane.clusters USING (cluster_id)
    JOIN control_plane.tenant_databases AS made USING (project_id)
    WHERE jobs.job_id = %(job_id)s AND made.job_id = jobs.job_id
) AS collected;
