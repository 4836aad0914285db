-- Databases that are made before a job asks for one: per cluster a template at the newest schema version, and clones of
-- it. Code that does not know these tables is not disturbed by them.

CREATE TABLE control_plane.pool_databases (
    database_name  text PRIMARY KEY CHECK (octet_length(database_name) <= 63),
    cluster_id     text NOT NULL REFERENCES control_plane.clusters,
    kind           text NOT NULL CHECK (kind IN ('template', 'entry')),
    schema_version text NOT NULL,
    status         text NOT NULL DEFAULT 'building' CHECK (status IN ('building', 'ready', 'removing')),
    job_id         text UNIQUE REFERENCES control_plane.jobs,
    created_at     timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX pool_databases_by_cluster ON control_plane.pool_databases (cluster_id, status, created_at);

-- Not a column of clusters: code that is older than this migration reads every column of those.
CREATE TABLE control_plane.pool_sizes (
    cluster_id text PRIMARY KEY REFERENCES control_plane.clusters,
    size       integer NOT NULL CHECK (size >= 0)
);
