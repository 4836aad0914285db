-- The exports in the control plane. Placeholders are %(name)s.

-- name: record_intended_export (job_id text, last_look double precision)
INSERT INTO control_plane.exports AS known (job_id, tenant_id, project_id, look_again_at)
SELECT job_id, tenant_id, project_id, now() + %(last_look)s * interval '1 second'
FROM control_plane.jobs
WHERE job_id = %(job_id)s AND tenant_id IS NOT NULL AND current_setting('provisioner.attempt') <> ''
ON CONFLICT (job_id) DO UPDATE SET look_again_at = EXCLUDED.look_again_at;

-- name: record_exported (job_id text, tenant_id text, bucket text, dump_key text, manifest_key text, bytes bigint, sha256 text, server_version text, manifest jsonb, last_look double precision)
-- The row may have been lost since the claim.
INSERT INTO control_plane.exports AS known
    (job_id, tenant_id, project_id, bucket, dump_key, manifest_key, bytes, sha256, server_version, manifest, completed_at,
     look_again_at)
SELECT job_id, %(tenant_id)s, project_id, %(bucket)s, %(dump_key)s, %(manifest_key)s, %(bytes)s, %(sha256)s,
       %(server_version)s, %(manifest)s, now(), now() + %(last_look)s * interval '1 second'
FROM control_plane.jobs
WHERE job_id = %(job_id)s AND current_setting('provisioner.recorded')::boolean
ON CONFLICT (job_id) DO UPDATE
    SET (bucket, dump_key, manifest_key, bytes, sha256, server_version, manifest, completed_at, look_again_at) =
        (EXCLUDED.bucket, EXCLUDED.dump_key, EXCLUDED.manifest_key, EXCLUDED.bytes, EXCLUDED.sha256,
         EXCLUDED.server_version, EXCLUDED.manifest, EXCLUDED.completed_at, EXCLUDED.look_again_at);

-- name: record_undone
-- The dump of a job that failed after it had one is not kept.
UPDATE control_plane.exports
SET (dump_key, manifest_key, completed_at) = (NULL, NULL, NULL),
    look_again_at = now() + %(last_look)s * interval '1 second'
WHERE job_id = %(job_id)s;

-- name: find_export
SELECT exports.job_id, chosen.document AS tenant, array_remove(ARRAY[dump_key, manifest_key], NULL) AS keys
FROM control_plane.exports
JOIN control_plane.tenant_documents AS chosen USING (tenant_id)
WHERE job_id = %(job_id)s;

-- name: find_due_exports
-- A running job removes what its attempts leave itself.
SELECT exports.job_id, chosen.document AS tenant, array_remove(ARRAY[dump_key, manifest_key], NULL) AS keys
FROM control_plane.exports
JOIN control_plane.tenant_documents AS chosen USING (tenant_id)
WHERE look_again_at <= now()
    AND NOT EXISTS (
        SELECT FROM control_plane.jobs WHERE jobs.job_id = exports.job_id AND jobs.status IN ('pending', 'running'))
ORDER BY look_again_at
LIMIT %(limit)s;

-- name: record_looked
UPDATE control_plane.exports
SET look_again_at = CASE WHEN %(found)s THEN now() + %(last_look)s * interval '1 second' END
WHERE job_id = %(job_id)s;
