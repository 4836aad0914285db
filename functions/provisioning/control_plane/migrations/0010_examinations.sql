-- What upkeep has last found wrong with a cluster, and what its server is like (provisioning/examination/recording.py).

CREATE TABLE control_plane.cluster_examinations (
    cluster_id     text PRIMARY KEY REFERENCES control_plane.clusters ON DELETE CASCADE,
    examined_at    timestamptz NOT NULL,
    -- NULL for a server that did not answer.
    server_version text,
    connections    jsonb,
    findings       jsonb NOT NULL
);
