-- Requests that start an execution, each remembered for 90 days by its caller, route and key. job_id is the name of the
-- execution that it starts; rolls_back is set if that execution is not a job but rolls one back (requests/).

CREATE TABLE control_plane.requests (
    principal    text NOT NULL,
    route        text NOT NULL,
    key          text NOT NULL,
    body_sha256  bytea NOT NULL CHECK (octet_length(body_sha256) = 32),
    job_id       text NOT NULL UNIQUE,
    job_type     text NOT NULL,
    project_id   text,
    rolls_back   text,
    session_name text,
    created_at   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (principal, route, key)
);
CREATE INDEX requests_by_age ON control_plane.requests (created_at);

-- The principal whose request started the job, or "StartExecution"; NULL for a job from before this migration.
ALTER TABLE control_plane.jobs ADD COLUMN started_by text;

CREATE FUNCTION control_plane.starter_of(job text) RETURNS text LANGUAGE sql STABLE AS
$$ SELECT coalesce((SELECT principal FROM control_plane.requests WHERE requests.job_id = job), 'StartExecution') $$;
