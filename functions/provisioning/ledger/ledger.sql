-- The queries of attempts and rollbacks. Placeholders are %(name)s; a query with typed parameters is prepared.
--
-- Several are sent in one round trip, which is one transaction unless it contains BEGIN and COMMIT. They pass values to
-- each other in settings of the session:
--
--   provisioner.held      whether the session holds the locks that lock_keys has asked for    until it is set again
--   provisioner.attempt   the number of the attempt that claim_stage has begun, or ''           until the transaction ends
--   provisioner.missing   the stages that record_missing has found, or ''                     until the transaction ends
--   provisioner.recorded  whether record_success has recorded the outcome: what follows in the  until it is set again
--                         same transaction records its work only then
--   provisioner.result    the job's result, as text that keeps the order of its fields          until it is set again

-- name: claim_stage (job_id text, stage text)
-- Separate from the statement that acquires the lock, so that it sees what was committed before the lock was held.
WITH claimed AS (
    UPDATE control_plane.provisioning_steps AS step
    SET status = 'running', attempt = step.attempt + 1, started_at = now(), completed_at = NULL
    FROM control_plane.jobs
    WHERE step.job_id = %(job_id)s AND step.stage = %(stage)s AND step.status IN ('pending', 'running', 'failed')
        AND jobs.job_id = step.job_id AND jobs.status = 'running' AND jobs.rollback_started_at IS NULL
        AND current_setting('provisioner.held')::boolean
    RETURNING step.attempt
), noted AS (
    UPDATE control_plane.jobs
    SET current_stage = %(stage)s, attempts = greatest(jobs.attempts, claimed.attempt)
    FROM claimed
    WHERE jobs.job_id = %(job_id)s
), recorded AS (
    INSERT INTO control_plane.audit_log (action, job_id, project_id, stage, details)
    SELECT 'attempt started', jobs.job_id, jobs.project_id, %(stage)s, jsonb_build_object('attempt', claimed.attempt)
    FROM claimed, control_plane.jobs
    WHERE jobs.job_id = %(job_id)s
)
SELECT set_config('provisioner.attempt', coalesce(max(attempt)::text, ''), true) FROM claimed;

-- name: find_work (job_id text, stage text)
-- The job with its tenant and the stage, as left by the claim that may precede it.
SELECT jobs.job_id, jobs.job_type, jobs.project_id, jobs.status AS job_status, jobs.payload,
       projects.organization_id, projects.owner_id, chosen.document AS tenant,
       (SELECT coalesce(array_agg(service ORDER BY created_at), '{}') FROM control_plane.service_registrations AS registration
        WHERE registration.tenant_id = jobs.tenant_id AND registration.status = 'registered') AS registered,
       step.status AS step_status, step.output,
       coalesce(nullif(current_setting('provisioner.held', true), '')::boolean, false) AS held,
       nullif(current_setting('provisioner.attempt', true), '')::integer AS attempt
FROM control_plane.jobs
LEFT JOIN control_plane.projects USING (project_id)
LEFT JOIN control_plane.tenants
    ON tenants.tenant_id = jobs.tenant_id AND tenants.project_id = jobs.project_id
    AND (tenants.state IN ('active', 'suspended') OR (tenants.job_id = jobs.job_id AND tenants.state IN ('making', 'claimed')))
LEFT JOIN control_plane.tenant_documents AS chosen ON chosen.tenant_id = tenants.tenant_id
LEFT JOIN control_plane.provisioning_steps AS step ON step.job_id = jobs.job_id AND step.stage = %(stage)s
WHERE jobs.job_id = %(job_id)s;

-- name: find_current_attempt (job_id text, stage text, attempt integer)
SELECT step.attempt
FROM control_plane.provisioning_steps AS step
JOIN control_plane.jobs USING (job_id)
WHERE step.job_id = %(job_id)s AND step.stage = %(stage)s AND step.attempt = %(attempt)s AND step.status = 'running'
    AND jobs.status = 'running' AND jobs.rollback_started_at IS NULL;

-- name: record_missing (job_id text, stage text)
-- The stages of a running job, apart from this one, that have neither succeeded nor been skipped. The state machine gets
-- to the last stage only when every other has succeeded, so the control plane has lost their records.
SELECT set_config('provisioner.missing', coalesce(string_agg(step.stage, ', ' ORDER BY step.position), ''), true) AS stages
FROM control_plane.provisioning_steps AS step
JOIN control_plane.jobs USING (job_id)
WHERE step.job_id = %(job_id)s AND step.stage <> %(stage)s AND step.status NOT IN ('succeeded', 'skipped')
    AND jobs.status = 'running' AND jobs.rollback_started_at IS NULL;

-- name: record_success (job_id text, stage text, attempt integer, output jsonb)
WITH succeeded AS (
    UPDATE control_plane.provisioning_steps AS step
    SET status = 'succeeded', completed_at = clock_timestamp(), output = %(output)s,
        error_type = NULL, error_message = NULL, error_details = NULL
    FROM control_plane.jobs
    JOIN control_plane.projects ON projects.project_id = jobs.project_id AND projects.job_id = jobs.job_id
        AND projects.status = jobs.status_while_running
    WHERE step.job_id = %(job_id)s AND step.stage = %(stage)s AND step.attempt = %(attempt)s
        AND step.status = 'running' AND coalesce(current_setting('provisioner.missing', true), '') = ''
        AND jobs.job_id = step.job_id AND jobs.status = 'running' AND jobs.rollback_started_at IS NULL
    RETURNING step.attempt
), recorded AS (
    INSERT INTO control_plane.audit_log (action, job_id, project_id, stage, details)
    SELECT 'stage succeeded', jobs.job_id, jobs.project_id, %(stage)s, jsonb_build_object('attempt', succeeded.attempt)
    FROM succeeded, control_plane.jobs
    WHERE jobs.job_id = %(job_id)s
), progressed AS (
    -- The parts of one statement do not see each other's changes, so this stage is counted explicitly.
    UPDATE control_plane.jobs
    SET progress_percent = greatest(jobs.progress_percent, done.percent)
    FROM succeeded, (
        SELECT 100 * count(*) FILTER (WHERE status IN ('succeeded', 'skipped') OR stage = %(stage)s) / count(*) AS percent
        FROM control_plane.provisioning_steps
        WHERE job_id = %(job_id)s
    ) AS done
    WHERE jobs.job_id = %(job_id)s
)
SELECT set_config('provisioner.recorded', EXISTS (SELECT FROM succeeded)::text, false);

-- name: record_result (job_id text)
-- The result of a succeeded job: its project and tenant, the outputs of its stages in order, and when it ended.
SELECT set_config('provisioner.result', json_object_agg(field, value ORDER BY position)::text, false)
FROM (
    SELECT field, value, position
    FROM control_plane.jobs
    JOIN control_plane.projects USING (project_id)
    JOIN control_plane.clusters USING (cluster_id),
    LATERAL (
        VALUES (1, 'project_id', to_json(jobs.project_id)), (2, 'tenant_id', to_json(jobs.tenant_id)),
               (3, 'status', to_json(jobs.status_on_success)),
               (1000, 'metadata', json_build_object(
                   'completed_at', clock_timestamp(), 'region', clusters.region, 'owner_id', projects.owner_id,
                   'organization_id', projects.organization_id, 'job_id', jobs.job_id,
                   'duration_ms', round(extract(epoch FROM clock_timestamp() - jobs.started_at) * 1000)::bigint,
                   'attempts', jobs.attempts))
    ) AS common (position, field, value)
    WHERE jobs.job_id = %(job_id)s
    UNION ALL
    SELECT answered.key, answered.value, 3 + step.position
    FROM control_plane.provisioning_steps AS step, json_each(step.output::json) AS answered
    WHERE step.job_id = %(job_id)s AND step.position > 0
) AS collected;

-- name: record_succeeded (job_id text)
UPDATE control_plane.jobs
SET status = 'succeeded', current_stage = 'completed', completed_at = clock_timestamp(),
    failed_stage = NULL, last_error_type = NULL, last_error_message = NULL, result = current_setting('provisioner.result')::jsonb
WHERE job_id = %(job_id)s AND current_setting('provisioner.recorded')::boolean;

-- name: record_output (job_id text, stage text)
UPDATE control_plane.provisioning_steps
SET output = current_setting('provisioner.result')::jsonb
WHERE job_id = %(job_id)s AND stage = %(stage)s AND current_setting('provisioner.recorded')::boolean;

-- name: record_tenant_state (job_id text)
-- A live tenant has the status of its project: active or suspended.
UPDATE control_plane.tenants
SET state = jobs.status_on_success
FROM control_plane.jobs
WHERE jobs.job_id = %(job_id)s AND tenants.tenant_id = jobs.tenant_id AND tenants.project_id = jobs.project_id
    AND (tenants.job_id = jobs.job_id OR tenants.state IN ('active', 'suspended'))
    AND jobs.status_on_success IN ('active', 'suspended') AND current_setting('provisioner.recorded')::boolean;

-- name: record_project_status (job_id text)
UPDATE control_plane.projects
SET status = jobs.status_on_success, updated_at = now()
FROM control_plane.jobs
WHERE projects.project_id = jobs.project_id AND jobs.job_id = %(job_id)s
    AND current_setting('provisioner.recorded')::boolean;

-- name: release_recorded
-- After the commit, so that the next holder of the lock sees what was recorded.
SELECT pg_advisory_unlock_all();
SELECT current_setting('provisioner.recorded')::boolean AS recorded,
       nullif(current_setting('provisioner.result', true), '')::json AS result;

-- name: record_failed_attempt
WITH failed AS (
    UPDATE control_plane.provisioning_steps
    SET status = 'failed', completed_at = clock_timestamp(), error_type = %(error_type)s,
        error_message = %(error_message)s, error_details = %(error_details)s
    WHERE job_id = %(job_id)s AND stage = %(stage)s AND attempt = %(attempt)s AND status = 'running'
    RETURNING attempt
)
INSERT INTO control_plane.audit_log (action, job_id, project_id, stage, details)
SELECT 'attempt failed', jobs.job_id, jobs.project_id, %(stage)s,
       jsonb_build_object('attempt', failed.attempt, 'error_type', %(error_type)s, 'error_message', %(error_message)s)
FROM failed, control_plane.jobs
WHERE jobs.job_id = %(job_id)s;

-- name: record_rollback_started
-- From here on no forward attempt of this job can claim a stage or record an outcome. This also begins the rollback of
-- a job that was closed before any compensation could begin.
WITH closed AS (
    UPDATE control_plane.jobs
    SET rollback_started_at = coalesce(rollback_started_at, now()), current_stage = 'rolling_back'
    WHERE job_id = %(job_id)s AND job_type = %(job_type)s
        AND (status = 'running' OR (status IN ('stopped', 'rollback_incomplete') AND rollback_started_at IS NULL))
    RETURNING job_id, project_id
)
INSERT INTO control_plane.audit_log (action, job_id, project_id, details)
SELECT 'compensation started', job_id, project_id, jsonb_build_object('stages', %(stages)s::text[])
FROM closed;

UPDATE control_plane.provisioning_steps AS step
SET status = 'failed', completed_at = clock_timestamp(), error_type = 'UNKNOWN_ERROR',
    error_message = 'the attempt ended without recording an outcome'
FROM control_plane.jobs
WHERE step.job_id = %(job_id)s AND step.status = 'running'
    AND jobs.job_id = step.job_id AND jobs.job_type = %(job_type)s AND jobs.rollback_started_at IS NOT NULL;

-- name: find_job_status
-- The row of a job that never opened comes from its incomplete rollback or from the end of its execution, so such a job
-- does not count as known. 90 days after its end Step Functions has forgotten an execution, and then describes another
-- one of the same name.
-- A stage may have begun if the job has reached it or a later one, according to the ledger or to the execution, which
-- names the stage that failed: the ledger may have lost that it began. An execution that names none of the job's stages
-- may have reached any.
SELECT job_type, status, rollback_started_at IS NOT NULL AS is_rolling_back,
       payload IS NOT NULL OR status NOT IN ('stopped', 'rollback_incomplete') AS is_known,
       payload ->> 'retries' IS NOT NULL
           OR NOT EXISTS (
               SELECT FROM control_plane.provisioning_steps AS failed
               WHERE failed.job_id = jobs.job_id AND failed.stage = %(failed_stage)s)
           OR EXISTS (
               SELECT FROM control_plane.provisioning_steps AS reached
               WHERE reached.job_id = jobs.job_id AND (reached.attempt > 0 OR reached.stage = %(failed_stage)s)
                   AND reached.position >= (
                       SELECT min(position) FROM control_plane.provisioning_steps AS undone
                       WHERE undone.job_id = jobs.job_id AND undone.stage = ANY (%(stages)s))) AS has_begun,
       coalesce(started_at < now() - interval '89 days', false) AS is_old
FROM control_plane.jobs
WHERE job_id = %(job_id)s;

-- name: record_compensation
-- Of one that failed, the stages of which nothing is left.
UPDATE control_plane.provisioning_steps
SET status = 'compensated', completed_at = clock_timestamp()
WHERE job_id = %(job_id)s AND stage = ANY (%(undone)s) AND status IN ('running', 'succeeded', 'failed')
    AND %(unknown)s::text[] = '{}';

INSERT INTO control_plane.audit_log (action, job_id, project_id, details)
VALUES ('compensated', %(job_id)s, (SELECT project_id FROM control_plane.jobs WHERE job_id = %(job_id)s),
        jsonb_build_object('stages', %(undone)s::text[], 'removed', %(removed)s::text[], 'unknown', %(unknown)s::text[]));

-- name: record_failed_compensation
INSERT INTO control_plane.audit_log (action, job_id, project_id, details)
VALUES ('compensation failed', %(job_id)s, (SELECT project_id FROM control_plane.jobs WHERE job_id = %(job_id)s),
        jsonb_build_object('stages', %(stages)s::text[], 'error_type', %(error_type)s, 'error_message', %(error_message)s));
