-- One row and more of every kind that a query of the functions reads: no column that code reads is NULL in all of them.

INSERT INTO control_plane.clusters (cluster_id, region, engine, version, size, host, port, admin_secret_id, capacity)
VALUES ('c-1', 'us-east-1', 'postgresql', '18', 'db.t3.micro', 'db.internal', 5432, 'admin', 10);

INSERT INTO control_plane.projects (project_id, organization_id, owner_id, region, status, job_id)
VALUES ('p-running', 'org', 'owner', 'us-east-1', 'provisioning', 'running'),
       ('p-active', 'org', 'owner', 'us-east-1', 'active', 'succeeded'),
       ('p-failed', 'org', 'owner', 'us-east-1', 'failed', 'failed'),
       ('p-revealed', 'org', 'owner', 'us-east-1', 'suspended', NULL);

INSERT INTO control_plane.jobs (job_id, job_type, project_id, cluster_id, execution_arn, payload, status, result, leftovers,
                                failed_stage, last_error_type, last_error_message, started_at, rollback_started_at, completed_at,
                                excludes, status_while_running, status_on_success, status_on_failure)
SELECT job_id, 'provision_project', 'p-' || project, 'c-1', 'arn', '{"project_id": "p"}', status, '{"project_id": "p"}',
       '["database"]', 'creating_database', 'TIMEOUT', 'it did not end', now(), CASE WHEN job_id = 'failed' THEN now() END, now(),
       'project:p-' || project, 'provisioning', 'active', 'failed'
FROM (VALUES ('running', 'running', 'running'), ('succeeded', 'active', 'succeeded'),
             ('failed', 'failed', 'rollback_incomplete')) AS row (job_id, project, status);

INSERT INTO control_plane.jobs (job_id, job_type, project_id, status, last_error_type, last_error_message, completed_at, excludes)
VALUES ('refused', 'provision_project', 'p-running', 'failed', 'JOB_IN_PROGRESS', 'another job runs', now(), 'project:p-running');

UPDATE control_plane.jobs SET started_by = 'StartExecution';

INSERT INTO control_plane.requests
    (principal, route, key, body_sha256, job_id, job_type, project_id, rolls_back, session_name)
SELECT '123456789012/AROA', 'POST /v1/jobs', job_id, sha256('body'), job_id, 'provision_project', 'p-running', 'failed', 'ann'
FROM (VALUES ('requested'), ('running')) AS row (job_id);

INSERT INTO control_plane.provisioning_steps (job_id, stage, position, status, attempt, started_at, completed_at, error_type,
                                              error_message, output, leaves)
SELECT job_id, stage, position, step.status, attempt, now(), now(), 'TIMEOUT', 'it did not end', '{"tenant_id": "t"}', 'a closed tenant'
FROM control_plane.jobs, (VALUES ('initializing', 0, 'succeeded', 1), ('creating_database', 1, 'running', 1),
                                 ('creating_schema', 2, 'failed', 1)) AS step (stage, position, status, attempt);

INSERT INTO control_plane.jobs (job_id, job_type, project_id, status, payload, started_at, started_by)
VALUES ('waiting', 'provision_project', 'p-running', 'running', '{"project_id": "p"}', now(), 'StartExecution');
INSERT INTO control_plane.provisioning_steps (job_id, stage, position, status, attempt, completed_at, error_type, error_message)
VALUES ('waiting', 'creating_database', 1, 'failed', 1, now(), 'TIMEOUT', 'it did not end');

INSERT INTO control_plane.tenants (tenant_id, cluster_id, project_id, job_id, state, fingerprint, server_fingerprint, prepared,
                                   secret_arn, removed_at, look_again_at)
VALUES ('aaaaaaaaaaaaaaaaaaaa', 'c-1', 'p-running', 'running', 'claimed', 'f', 's', '{"schema": "tenant"}', 'arn', NULL, NULL),
       ('bbbbbbbbbbbbbbbbbbbb', 'c-1', 'p-active', 'succeeded', 'active', 'f', 's', '{"schema": "tenant"}', 'arn', NULL, NULL),
       ('hhhhhhhhhhhhhhhhhhhh', 'c-1', 'p-revealed', 'long-ago', 'suspended', 'f', 's', '{"schema": "tenant"}', 'arn', NULL, NULL),
       ('cccccccccccccccccccc', 'c-1', 'p-failed', 'failed', 'removing', 'f', 's', '{"schema": "tenant"}', 'arn', now(), now()),
       ('dddddddddddddddddddd', 'c-1', NULL, NULL, 'ready', 'old', 's', '{"schema": "tenant"}', 'arn', NULL, NULL),
       ('eeeeeeeeeeeeeeeeeeee', 'c-1', NULL, NULL, 'making', 'f', NULL, NULL, NULL, NULL, NULL),
       ('ffffffffffffffffffff', 'c-1', 'p-failed', 'failed', 'making', 'f', NULL, NULL, NULL, NULL, NULL);

UPDATE control_plane.tenants SET schema_version = 1, claimed_at = now() WHERE project_id IS NOT NULL;

UPDATE control_plane.jobs SET tenant_id = (SELECT min(tenants.tenant_id) FROM control_plane.tenants WHERE tenants.job_id = jobs.job_id);

INSERT INTO control_plane.suspensions (tenant_id, job_id, logins, grants, connection_limit, allow_connections)
SELECT tenant_id, job_id, ARRAY['login'], '[["owner", "login", "CONNECT", false]]', 60, true
FROM control_plane.tenants WHERE job_id IS NOT NULL;

INSERT INTO control_plane.service_registrations
    (tenant_id, service, job_id, endpoint, status, registered_at, repaired_to)
SELECT tenant_id, 'auth', job_id, 'https://auth', 'registered', now(), 'some-migration' FROM control_plane.tenants WHERE job_id IS NOT NULL;

INSERT INTO control_plane.api_key_secrets (tenant_id, job_id, revealed_at, look_again_at, secret_arn, kept_until)
SELECT tenant_id, job_id, CASE WHEN state <> 'active' THEN now() END, now(), 'arn', CASE state WHEN 'suspended' THEN now() END
FROM control_plane.tenants WHERE job_id IS NOT NULL;

INSERT INTO control_plane.api_keys (key_id, tenant_id, job_id, position, kind, prefix, hint, key_hash)
SELECT gen_random_uuid(), min(tenant_id), job_id, 0, 'secret', 'p', 'abcd', sha256(job_id::bytea)
FROM control_plane.tenants WHERE job_id IS NOT NULL GROUP BY job_id;

INSERT INTO control_plane.audit_log (action, job_id, project_id, details)
SELECT 'compensated', job_id, project_id, '{"stages": ["creating_database"], "removed": ["database"], "unknown": ["secret"]}'
FROM control_plane.jobs;

INSERT INTO control_plane.audit_log (action, job_id, project_id, details)
SELECT 'compensation failed', job_id, project_id,
       '{"stages": ["creating_database"], "error_type": "TIMEOUT", "error_message": "it did not end"}'
FROM control_plane.jobs;

INSERT INTO control_plane.organizations (organization_id) VALUES ('org');

INSERT INTO control_plane.events (type, project_id, organization_id, job_id, job_type, tenant_id, error_type)
VALUES ('project.failed', 'p-failed', 'org', 'failed', 'provision_project', 'cccccccccccccccccccc', 'TIMEOUT');

UPDATE control_plane.clusters SET pool_size = 3;

INSERT INTO control_plane.cluster_examinations (cluster_id, examined_at, server_version, connections, findings)
SELECT cluster_id, now() - interval '1 hour', '18.1', '{"maximum": 500}', '["autovacuum is off"]' FROM control_plane.clusters;

INSERT INTO control_plane.exports
    (job_id, tenant_id, project_id, bucket, dump_key, manifest_key, bytes, sha256, server_version, manifest, completed_at,
     look_again_at)
SELECT job_id, tenant_id, project_id, 'exports', 'a.dump', 'a.manifest.json', 1, 'aa', '18', '{"format": 1}', now(), now()
FROM control_plane.tenants WHERE job_id IN ('succeeded', 'failed') AND state <> 'making';
