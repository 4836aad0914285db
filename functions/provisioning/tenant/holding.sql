-- Who holds a tenant, in the control plane. Placeholders are %(name)s.

-- name: claim_tenant (job_id text, project_id text, cluster_id text, fingerprint text, new_tenant_id text)
-- Choose a tenant for a job: one that its cluster keeps ready and no other job is about to claim, or else a new one,
-- with the id made for it.
WITH ready AS (
    SELECT tenant_id
    FROM control_plane.tenants
    WHERE cluster_id = %(cluster_id)s AND state = 'ready' AND fingerprint = %(fingerprint)s
    ORDER BY created_at
    LIMIT 1
    FOR UPDATE SKIP LOCKED
), claimed AS (
    UPDATE control_plane.tenants
    SET state = 'claimed', job_id = %(job_id)s, project_id = %(project_id)s, claimed_at = now()
    FROM ready
    WHERE tenants.tenant_id = ready.tenant_id
)
INSERT INTO control_plane.tenants (tenant_id, cluster_id, job_id, project_id, state, fingerprint)
SELECT %(new_tenant_id)s, %(cluster_id)s, %(job_id)s, %(project_id)s, 'making', %(fingerprint)s
WHERE NOT EXISTS (SELECT FROM ready);

-- name: record_new_tenant (job_id text)
-- Sets the job's tenant to the one that was chosen for it.
UPDATE control_plane.jobs
SET tenant_id = tenants.tenant_id, cluster_id = tenants.cluster_id
FROM control_plane.tenants
WHERE jobs.job_id = %(job_id)s AND tenants.job_id = jobs.job_id AND state IN ('making', 'claimed');

-- name: find_chosen
SELECT document AS tenant
FROM control_plane.tenant_documents
WHERE tenant_id = (
    SELECT tenant_id FROM control_plane.tenants
    WHERE job_id = %(job_id)s AND state IN ('making', 'claimed', 'active', 'suspended'));

-- name: record_disputed
WITH disputed AS (
    UPDATE control_plane.tenants
    SET state = 'disputed'
    WHERE tenant_id = %(tenant_id)s AND job_id IS NOT DISTINCT FROM %(job_id)s AND state NOT IN ('active', 'suspended')
    RETURNING tenant_id, job_id, project_id
)
INSERT INTO control_plane.audit_log (action, tenant_id, job_id, project_id)
SELECT 'tenant disputed', tenant_id, job_id, project_id FROM disputed;

-- name: record_superseded (job_id text, project_id text)
-- What an earlier, closed job of the project left: reconcile removes it, and the project gets another tenant.
UPDATE control_plane.tenants
SET state = 'removing', look_again_at = now()
WHERE project_id = %(project_id)s AND state IN ('making', 'claimed') AND job_id <> %(job_id)s;

-- name: record_unused
-- A job that never reached "Create tenant database" has written nothing to a cluster: a tenant from the pool becomes
-- ready again, and one that was still to be made is gone.
UPDATE control_plane.tenants
SET state = CASE state WHEN 'claimed' THEN 'ready' ELSE 'gone' END, claimed_at = NULL,
    job_id = CASE state WHEN 'claimed' THEN NULL ELSE job_id END,
    project_id = CASE state WHEN 'claimed' THEN NULL ELSE project_id END,
    gone_at = CASE state WHEN 'making' THEN now() END
WHERE job_id = %(job_id)s AND state IN ('claimed', 'making')
    AND NOT EXISTS (
        SELECT FROM control_plane.provisioning_steps AS step
        WHERE step.job_id = %(job_id)s AND step.attempt > 0 AND step.position > 0);

-- name: find_held
SELECT document AS tenant
FROM control_plane.tenants
JOIN control_plane.tenant_documents USING (tenant_id)
WHERE tenants.job_id = %(job_id)s AND tenants.state IN ('making', 'claimed', 'removing')
ORDER BY tenants.created_at, tenant_id;

-- name: find_tenant
SELECT document AS tenant FROM control_plane.tenant_documents WHERE tenant_id = %(tenant_id)s;

-- name: record_found
-- A tenant that a register gives to this job, and that the control plane does not know, or gives to nobody.
INSERT INTO control_plane.tenants (tenant_id, cluster_id, job_id, project_id, state, look_again_at)
VALUES (%(tenant_id)s, %(cluster_id)s, %(job_id)s, %(project_id)s, 'removing', now() + %(last_look)s * interval '1 second')
ON CONFLICT (tenant_id) DO UPDATE
    SET (job_id, project_id, state, look_again_at) =
        (EXCLUDED.job_id, EXCLUDED.project_id, EXCLUDED.state, EXCLUDED.look_again_at)
    WHERE tenants.job_id IS NULL AND tenants.state IN ('making', 'ready');

-- name: claim_removal
-- The guard. Only its holder sets a tenant to removing, and from active or suspended only a job that removes tenants.
UPDATE control_plane.tenants
SET state = 'removing', look_again_at = coalesce(look_again_at, now() + %(last_look)s * interval '1 second')
WHERE tenant_id = %(tenant_id)s AND job_id IS NOT DISTINCT FROM %(job_id)s
    AND (state IN ('making', 'ready', 'claimed', 'removing')
        OR (state IN ('active', 'suspended')
            AND EXISTS (SELECT FROM control_plane.jobs WHERE jobs.job_id = tenants.job_id AND removes_tenant)))
RETURNING tenant_id;

-- name: record_removed
UPDATE control_plane.tenants
SET look_again_at = CASE
        WHEN removed_at IS NULL OR %(found)s THEN now() + %(last_look)s * interval '1 second' ELSE look_again_at END,
    removed_at = coalesce(removed_at, now()), held_up = NULL
WHERE tenant_id = %(tenant_id)s AND state = 'removing';

-- name: record_held_up
UPDATE control_plane.tenants SET held_up = %(held_up)s WHERE tenant_id = %(tenant_id)s AND state = 'removing';

-- name: find_due
-- What is to be looked at: left by an unfinished removal, or due for its last look. A running job does so itself.
SELECT document AS tenant
FROM control_plane.tenants
JOIN control_plane.tenant_documents USING (tenant_id)
WHERE state = 'removing' AND look_again_at <= now()
    AND NOT EXISTS (
        SELECT FROM control_plane.jobs
        WHERE jobs.job_id = tenants.job_id AND jobs.status IN ('pending', 'running'))
ORDER BY look_again_at
LIMIT %(limit)s;

-- name: record_looked
-- After a look that found something or failed: the next one comes later.
WITH looked AS (
    UPDATE control_plane.tenants
    SET look_again_at = now() + %(last_look)s * interval '1 second'
    WHERE tenant_id = %(tenant_id)s AND state = 'removing'
    RETURNING tenant_id, job_id, project_id
)
INSERT INTO control_plane.audit_log (action, tenant_id, job_id, project_id, details)
SELECT 'tenant looked at again', tenant_id, job_id, project_id,
       jsonb_build_object('removed', %(removed)s::text[], 'error_message', %(error_message)s::text)
FROM looked;

-- name: record_gone
WITH gone AS (
    UPDATE control_plane.tenants
    SET state = 'gone', gone_at = now(), look_again_at = NULL
    WHERE tenant_id = %(tenant_id)s AND state = 'removing' AND removed_at IS NOT NULL
        AND NOT EXISTS (SELECT FROM control_plane.service_registrations AS left_over
                        WHERE left_over.tenant_id = tenants.tenant_id AND status <> 'removed')
    RETURNING tenant_id, job_id, project_id
), forgotten AS (
    DELETE FROM control_plane.service_registrations USING gone WHERE service_registrations.tenant_id = gone.tenant_id
), forgotten_too AS (
    DELETE FROM control_plane.api_key_secrets USING gone WHERE api_key_secrets.tenant_id = gone.tenant_id
), revoked AS (
    DELETE FROM control_plane.api_keys USING gone WHERE api_keys.tenant_id = gone.tenant_id
)
INSERT INTO control_plane.audit_log (action, tenant_id, job_id, project_id)
SELECT 'tenant gone', tenant_id, job_id, project_id FROM gone;

-- name: record_rolled_back
-- An incomplete rollback is finished once nothing of its job's tenants is left. The stages that no compensation has
-- undone then count as compensated, except the last, which has nothing to undo.
WITH finished AS (
    UPDATE control_plane.jobs
    SET status = 'rolled_back', current_stage = 'rolled_back', leftovers = '[]'
    WHERE job_id = %(job_id)s AND status = 'rollback_incomplete'
        AND NOT EXISTS (
            SELECT FROM control_plane.tenants
            WHERE tenants.job_id = jobs.job_id
                AND (state IN ('making', 'claimed') OR (state = 'removing' AND removed_at IS NULL)))
        AND NOT EXISTS (
            SELECT FROM control_plane.service_registrations AS left_over
            WHERE left_over.job_id = jobs.job_id AND left_over.status <> 'removed')
        AND NOT EXISTS (SELECT FROM control_plane.api_keys WHERE api_keys.job_id = jobs.job_id)
        AND NOT EXISTS (
            SELECT FROM (
                SELECT DISTINCT ON (details -> 'stages') details FROM control_plane.audit_log
                WHERE audit_log.job_id = jobs.job_id AND action = 'compensated'
                ORDER BY details -> 'stages', id DESC
            ) AS latest
            WHERE details -> 'unknown' <> '[]')
    RETURNING job_id, status_while_running, status_on_failure
), freed AS (
    UPDATE control_plane.projects
    SET status = finished.status_on_failure, updated_at = now()
    FROM finished
    WHERE projects.job_id = finished.job_id AND projects.status = finished.status_while_running
)
UPDATE control_plane.provisioning_steps AS step
SET status = 'compensated', completed_at = clock_timestamp()
FROM finished
WHERE step.job_id = finished.job_id AND step.position > 0 AND step.stage <> 'finalizing'
    AND step.status IN ('running', 'succeeded', 'failed');

-- name: record_making
INSERT INTO control_plane.tenants (tenant_id, cluster_id, state, fingerprint)
VALUES (%(tenant_id)s, %(cluster_id)s, 'making', %(fingerprint)s);

-- name: record_ready
UPDATE control_plane.tenants
SET state = 'ready', schema_version = %(schema_version)s, server_fingerprint = %(server_fingerprint)s,
    prepared = %(prepared)s, secret_arn = %(secret_arn)s
WHERE tenant_id = %(tenant_id)s AND state = 'making' AND job_id IS NULL
RETURNING tenant_id;

-- name: find_outdated
-- In a cluster's pool: what an interrupted refill left, and tenants made from anything else than a new one would be. A
-- removal that other tenants hold up is left to reconcile.
SELECT document AS tenant
FROM control_plane.tenants
JOIN control_plane.tenant_documents USING (tenant_id)
WHERE cluster_id = %(cluster_id)s AND tenants.job_id IS NULL
    AND (tenants.state = 'making' OR (tenants.state = 'removing' AND tenants.removed_at IS NULL AND held_up IS NULL)
        OR (tenants.state = 'ready'
            AND (fingerprint, server_fingerprint) IS DISTINCT FROM (%(fingerprint)s, %(server_fingerprint)s)))
ORDER BY tenants.created_at, tenant_id;

-- name: find_ready
-- What a cluster's pool has for the next jobs. Reads of a secret may lag behind its creation.
SELECT document AS tenant, created_at < now() - %(lag)s * interval '1 second' AS is_settled
FROM control_plane.tenants
JOIN control_plane.tenant_documents USING (tenant_id)
WHERE cluster_id = %(cluster_id)s AND state = 'ready'
ORDER BY created_at, tenant_id;

-- name: find_pool
-- Tenants wanted beyond those that are ready: never more than the room that projects leave.
SELECT ready, least(coalesce(pool_size, %(size)s), room) - ready AS wanted
FROM control_plane.clusters
JOIN control_plane.cluster_room USING (cluster_id),
    LATERAL (
        SELECT count(*) AS ready FROM control_plane.tenants
        WHERE tenants.cluster_id = clusters.cluster_id AND state = 'ready') AS kept
WHERE cluster_id = %(cluster_id)s;
