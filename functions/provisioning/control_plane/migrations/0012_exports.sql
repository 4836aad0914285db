-- The exports of tenants: one row a job, written before the job makes anything (exports/). Without keys it has no dump: it
-- is running, or was rolled back. Rows outlive their objects, whose retention is the bucket's.

CREATE TABLE control_plane.exports (
    job_id         text PRIMARY KEY,
    tenant_id      text NOT NULL REFERENCES control_plane.tenants,
    project_id     text NOT NULL,
    bucket         text,
    dump_key       text,
    manifest_key   text,
    bytes          bigint,
    sha256         text,
    server_version text,
    manifest       jsonb,
    created_at     timestamptz NOT NULL DEFAULT now(),
    completed_at   timestamptz,
    -- When upkeep looks for what an attempt that was superseded may have left.
    look_again_at  timestamptz
);
CREATE INDEX exports_by_project ON control_plane.exports (project_id, created_at);
CREATE INDEX exports_to_look_at ON control_plane.exports (look_again_at) WHERE look_again_at IS NOT NULL;
