-- The control plane: what exists, for whom, and which job made it.
-- Names of tenant resources are unique over all projects, so that no two can ever meet in one name.

CREATE SCHEMA IF NOT EXISTS control_plane;

CREATE TABLE control_plane.projects (
    project_id      text PRIMARY KEY CHECK (project_id ~ '^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$'),
    organization_id text NOT NULL,
    owner_id        text NOT NULL,
    region          text NOT NULL,
    status          text NOT NULL DEFAULT 'created' CHECK (status IN ('created', 'provisioning', 'active', 'failed')),
    job_id          text,
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE control_plane.clusters (
    cluster_id      text PRIMARY KEY,
    region          text NOT NULL,
    engine          text NOT NULL,
    version         text NOT NULL,
    size            text NOT NULL,
    host            text NOT NULL,
    port            integer NOT NULL CHECK (port BETWEEN 1 AND 65535),
    admin_secret_id text NOT NULL,
    capacity        integer NOT NULL CHECK (capacity >= 0)
);

CREATE TABLE control_plane.jobs (
    job_id              text PRIMARY KEY CHECK (length(job_id) BETWEEN 1 AND 80),
    job_type            text NOT NULL,
    project_id          text,
    cluster_id          text REFERENCES control_plane.clusters,
    execution_arn       text,
    payload             jsonb,
    status              text NOT NULL DEFAULT 'pending' CHECK (status IN
                            ('pending', 'running', 'succeeded', 'failed', 'rolled_back', 'rollback_incomplete')),
    attempts            integer NOT NULL DEFAULT 0,
    max_attempts        integer NOT NULL DEFAULT 3,
    current_stage       text NOT NULL DEFAULT 'initializing',
    progress_percent    integer NOT NULL DEFAULT 0 CHECK (progress_percent BETWEEN 0 AND 100),
    last_error_type     text,
    last_error_message  text,
    leftovers           jsonb NOT NULL DEFAULT '[]',
    result              jsonb,
    created_at          timestamptz NOT NULL DEFAULT now(),
    started_at          timestamptz,
    rollback_started_at timestamptz,
    completed_at        timestamptz
);

CREATE UNIQUE INDEX jobs_one_running_per_project ON control_plane.jobs (project_id)
    WHERE status IN ('pending', 'running');
CREATE INDEX jobs_by_project ON control_plane.jobs (project_id, created_at DESC);
CREATE INDEX jobs_running_by_cluster ON control_plane.jobs (cluster_id) WHERE status IN ('pending', 'running');

CREATE TABLE control_plane.provisioning_steps (
    job_id        text NOT NULL REFERENCES control_plane.jobs,
    stage         text NOT NULL,
    position      integer NOT NULL,
    status        text NOT NULL DEFAULT 'pending' CHECK (status IN
                      ('pending', 'running', 'succeeded', 'failed', 'skipped', 'compensated')),
    attempt       integer NOT NULL DEFAULT 0,
    started_at    timestamptz,
    completed_at  timestamptz,
    error_type    text,
    error_message text,
    error_details jsonb,
    intent        jsonb,
    output        jsonb,
    PRIMARY KEY (job_id, stage)
);

CREATE TABLE control_plane.tenant_databases (
    project_id     text PRIMARY KEY REFERENCES control_plane.projects,
    job_id         text NOT NULL REFERENCES control_plane.jobs,
    cluster_id     text NOT NULL REFERENCES control_plane.clusters,
    database_name  text NOT NULL UNIQUE CHECK (octet_length(database_name) <= 63),
    owner_role     text NOT NULL UNIQUE CHECK (octet_length(owner_role) <= 63),
    login_role     text NOT NULL UNIQUE CHECK (octet_length(login_role) <= 63),
    secret_name    text NOT NULL UNIQUE,
    secret_arn     text,
    storage_gb     integer NOT NULL,
    schema_version integer,
    status         text NOT NULL DEFAULT 'intended' CHECK (status IN ('intended', 'created')),
    created_at     timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX tenant_databases_by_cluster ON control_plane.tenant_databases (cluster_id);

CREATE TABLE control_plane.service_registrations (
    project_id      text NOT NULL REFERENCES control_plane.projects,
    service         text NOT NULL,
    job_id          text NOT NULL REFERENCES control_plane.jobs,
    idempotency_key text NOT NULL,
    external_id     text,
    endpoint        text,
    status          text NOT NULL DEFAULT 'intended' CHECK (status IN ('intended', 'registered')),
    registered_at   timestamptz,
    created_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (project_id, service)
);

CREATE TABLE control_plane.api_keys (
    key_id     uuid PRIMARY KEY,
    project_id text NOT NULL REFERENCES control_plane.projects,
    job_id     text NOT NULL REFERENCES control_plane.jobs,
    position   integer NOT NULL,
    kind       text NOT NULL CHECK (kind IN ('publishable', 'secret', 'service_role')),
    prefix     text NOT NULL,
    hint       text NOT NULL CHECK (length(hint) = 4),
    key_hash   bytea NOT NULL UNIQUE CHECK (octet_length(key_hash) = 32),
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (job_id, position)
);
CREATE INDEX api_keys_by_project ON control_plane.api_keys (project_id);

CREATE TABLE control_plane.audit_log (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    actor       text NOT NULL DEFAULT current_user,
    action      text NOT NULL,
    job_id      text,
    project_id  text,
    stage       text,
    details     jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX audit_log_by_job ON control_plane.audit_log (job_id, id);

CREATE FUNCTION control_plane.refuse_change() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'the audit log is append-only' USING ERRCODE = 'insufficient_privilege'; END $$;

CREATE TRIGGER audit_log_is_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON control_plane.audit_log
    FOR EACH STATEMENT EXECUTE FUNCTION control_plane.refuse_change();
