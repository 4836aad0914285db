-- The control plane: what exists, for whom, and which job holds it.

CREATE SCHEMA IF NOT EXISTS control_plane;

-- Identifies this control plane in its clusters' registers: several control planes may share a server.
CREATE TABLE control_plane.identity (
    control_plane_id uuid NOT NULL DEFAULT gen_random_uuid(),
    only_row         boolean PRIMARY KEY DEFAULT true CHECK (only_row)
);
INSERT INTO control_plane.identity DEFAULT VALUES;

CREATE TABLE control_plane.projects (
    project_id      text PRIMARY KEY CHECK (project_id ~ '^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$'),
    organization_id text NOT NULL,
    owner_id        text NOT NULL,
    region          text NOT NULL,
    -- The declarations say which job type leads from which status to which (provisioning/jobs/).
    status          text NOT NULL DEFAULT 'created' CHECK (status IN
                        ('created', 'provisioning', 'active', 'failed', 'suspending', 'suspended', 'resuming', 'leaving')),
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
    capacity        integer NOT NULL CHECK (capacity >= 0),
    -- How many tenants to keep ready; NULL means the setting POOL_SIZE.
    pool_size       integer CHECK (pool_size >= 0)
);

CREATE TABLE control_plane.jobs (
    job_id              text PRIMARY KEY CHECK (length(job_id) BETWEEN 1 AND 80),
    job_type            text NOT NULL,
    project_id          text,
    cluster_id          text REFERENCES control_plane.clusters,
    -- The tenant that the job works on: one chosen for it, or its project's.
    tenant_id           text,
    execution_arn       text,
    payload             jsonb,
    status              text NOT NULL DEFAULT 'pending' CHECK (status IN
                            ('pending', 'running', 'succeeded', 'stopped', 'failed', 'rolled_back',
                             'rollback_incomplete')),
    attempts            integer NOT NULL DEFAULT 0,
    max_attempts        integer NOT NULL DEFAULT 3,
    current_stage       text NOT NULL DEFAULT 'initializing',
    progress_percent    integer NOT NULL DEFAULT 0 CHECK (progress_percent BETWEEN 0 AND 100),
    -- The first cause of a failure, and the stage where it occurred.
    failed_stage        text,
    last_error_type     text,
    last_error_message  text,
    leftovers           jsonb NOT NULL DEFAULT '[]',
    result              jsonb,
    created_at          timestamptz NOT NULL DEFAULT now(),
    started_at          timestamptz,
    rollback_started_at timestamptz,
    completed_at        timestamptz,
    -- Copied from the type's declaration when the job opens (provisioning/jobs/): the key that only one running job may
    -- hold, the project's status while the job runs and afterwards, and whether the job may remove a live tenant.
    excludes             text,
    status_while_running text,
    status_on_success    text,
    status_on_failure    text,
    removes_tenant       boolean NOT NULL DEFAULT false
);

CREATE UNIQUE INDEX jobs_one_running_per_key ON control_plane.jobs (excludes)
    WHERE status IN ('pending', 'running');
CREATE INDEX jobs_by_project ON control_plane.jobs (project_id, created_at DESC);

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
    output        jsonb,
    -- What is left until the stage is undone, for a stage whose effect has no row of its own.
    leaves        text,
    PRIMARY KEY (job_id, stage)
);

-- The data-plane half of a project. The row is committed before anything of the tenant is made, and names its holder: a
-- job or, if job_id is NULL, the refill of its cluster's pool. Every name derives from tenant_id and never changes.
CREATE TABLE control_plane.tenants (
    tenant_id          text PRIMARY KEY CHECK (tenant_id ~ '^[a-z]{20}$'),
    cluster_id         text NOT NULL REFERENCES control_plane.clusters,
    project_id         text,
    job_id             text,
    state              text NOT NULL CHECK (state IN
                           ('making', 'ready', 'claimed', 'active', 'suspended', 'removing', 'disputed', 'gone')),
    -- What it was made from: this code's schema, and the server. One that differs is not given to a new job.
    schema_version     integer,
    fingerprint        text,
    server_fingerprint text,
    -- What "Create tenant schema" returns once the schema exists.
    prepared           jsonb,
    secret_arn         text,
    created_at         timestamptz NOT NULL DEFAULT now(),
    claimed_at         timestamptz,
    -- When everything of it was looked for and not found, and when to look again for what a late attempt may have made.
    removed_at         timestamptz,
    look_again_at      timestamptz,
    gone_at            timestamptz,
    CHECK (state <> 'ready' OR (job_id IS NULL AND project_id IS NULL)),
    CHECK (state NOT IN ('claimed', 'active', 'suspended') OR (job_id IS NOT NULL AND project_id IS NOT NULL))
);
CREATE UNIQUE INDEX tenants_one_live_per_project ON control_plane.tenants (project_id)
    WHERE state IN ('active', 'suspended');
CREATE UNIQUE INDEX tenants_one_unfinished_per_project ON control_plane.tenants (project_id)
    WHERE state IN ('making', 'claimed');
CREATE INDEX tenants_by_job ON control_plane.tenants (job_id);
CREATE INDEX tenants_by_cluster ON control_plane.tenants (cluster_id, state, created_at) WHERE state <> 'gone';
CREATE INDEX tenants_to_look_at ON control_plane.tenants (look_again_at) WHERE state = 'removing';

-- The access to a tenant's database before its suspension: recorded before it is revoked, so that it can be restored.
CREATE TABLE control_plane.suspensions (
    tenant_id         text PRIMARY KEY REFERENCES control_plane.tenants,
    -- The job that closes the tenant or opens it again.
    job_id            text NOT NULL,
    logins            text[] NOT NULL,
    -- The database's privileges in the order of its ACL, NULL until they are read, and its own limits.
    grants            jsonb,
    connection_limit  integer,
    allow_connections boolean,
    recorded_at       timestamptz NOT NULL DEFAULT now(),
    restored_at       timestamptz
);

-- A removed registration keeps its row until its tenant is gone: an earlier request may arrive after the removal.
CREATE TABLE control_plane.service_registrations (
    tenant_id     text NOT NULL REFERENCES control_plane.tenants,
    service       text NOT NULL,
    job_id        text NOT NULL,
    endpoint      text,
    status        text NOT NULL DEFAULT 'intended' CHECK (status IN ('intended', 'registered', 'removed')),
    registered_at timestamptz,
    created_at    timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, service)
);
CREATE INDEX service_registrations_by_job ON control_plane.service_registrations (job_id);

-- The secrets that hold a job's raw API keys until they are revealed. One update of revealed_at decides who gets them.
CREATE TABLE control_plane.api_key_secrets (
    tenant_id     text NOT NULL REFERENCES control_plane.tenants,
    job_id        text NOT NULL,
    created_at    timestamptz NOT NULL DEFAULT now(),
    revealed_at   timestamptz,
    look_again_at timestamptz,
    PRIMARY KEY (tenant_id, job_id)
);
CREATE INDEX api_key_secrets_by_job ON control_plane.api_key_secrets (job_id);
CREATE INDEX api_key_secrets_to_look_at ON control_plane.api_key_secrets (look_again_at) WHERE look_again_at IS NOT NULL;

CREATE TABLE control_plane.api_keys (
    key_id     uuid PRIMARY KEY,
    tenant_id  text NOT NULL REFERENCES control_plane.tenants,
    job_id     text NOT NULL,
    position   integer NOT NULL,
    kind       text NOT NULL CHECK (kind IN ('publishable', 'secret', 'service_role')),
    prefix     text NOT NULL,
    hint       text NOT NULL CHECK (length(hint) = 4),
    key_hash   bytea NOT NULL UNIQUE CHECK (octet_length(key_hash) = 32),
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (job_id, position)
);
CREATE INDEX api_keys_by_tenant ON control_plane.api_keys (tenant_id);

-- A failed project has no live tenant, so a project with one neither becomes failed nor gets a second tenant.
CREATE FUNCTION control_plane.refuse_live_tenant() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN
    IF EXISTS (SELECT FROM control_plane.tenants
               WHERE tenants.project_id = NEW.project_id AND state IN ('active', 'suspended')) THEN
        RAISE EXCEPTION 'the project % has a live tenant', NEW.project_id USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER projects_that_failed_have_no_live_tenant BEFORE UPDATE OF status ON control_plane.projects
    FOR EACH ROW WHEN (OLD.status <> NEW.status AND 'failed' IN (OLD.status, NEW.status))
    EXECUTE FUNCTION control_plane.refuse_live_tenant();

CREATE TABLE control_plane.audit_log (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    actor       text NOT NULL DEFAULT current_user,
    action      text NOT NULL,
    job_id      text,
    project_id  text,
    tenant_id   text,
    stage       text,
    details     jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX audit_log_by_job ON control_plane.audit_log (job_id, id);
CREATE INDEX audit_log_by_tenant ON control_plane.audit_log (tenant_id, id) WHERE tenant_id IS NOT NULL;

CREATE FUNCTION control_plane.refuse_change() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'the audit log is append-only' USING ERRCODE = 'insufficient_privilege'; END $$;

CREATE TRIGGER audit_log_is_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON control_plane.audit_log
    FOR EACH STATEMENT EXECUTE FUNCTION control_plane.refuse_change();

-- How many more tenants a cluster can take. A project's tenant occupies its place from the opening of its job until it
-- is removed. Tenants of the pool are not counted, because each becomes a project's.
CREATE VIEW control_plane.cluster_room AS
SELECT cluster_id,
       capacity - (
           SELECT count(*) FROM control_plane.tenants
           WHERE tenants.cluster_id = clusters.cluster_id AND project_id IS NOT NULL
               AND state <> 'gone' AND removed_at IS NULL
       ) AS room
FROM control_plane.clusters;

-- The one shape in which code reads a tenant. Columns are named one by one, so that a new one breaks no running code.
CREATE VIEW control_plane.tenant_documents AS
SELECT tenants.tenant_id,
       json_build_object(
           'tenant_id', tenants.tenant_id, 'state', tenants.state, 'job_id', tenants.job_id,
           'project_id', tenants.project_id, 'secret_arn', tenants.secret_arn, 'prepared', tenants.prepared,
           'created_at', tenants.created_at, 'removed_at', tenants.removed_at,
           'cluster', json_build_object(
               'cluster_id', clusters.cluster_id, 'region', clusters.region, 'engine', clusters.engine,
               'version', clusters.version, 'size', clusters.size, 'host', clusters.host, 'port', clusters.port,
               'admin_secret_id', clusters.admin_secret_id, 'capacity', clusters.capacity)
       ) AS document
FROM control_plane.tenants
JOIN control_plane.clusters USING (cluster_id);
