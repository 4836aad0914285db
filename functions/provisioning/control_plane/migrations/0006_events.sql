-- What has happened, for whoever wants to be told (provisioning/events.py). Triggers write it, so that no change of a job,
-- a project or a tenant goes without its event, whichever statement makes it.

CREATE TABLE control_plane.events (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    event_id        uuid NOT NULL UNIQUE DEFAULT gen_random_uuid(),
    type            text NOT NULL,
    recorded_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    project_id      text,
    organization_id text,
    job_id          text,
    job_type        text,
    tenant_id       text,
    error_type      text
);
CREATE INDEX events_by_age ON control_plane.events (recorded_at);

-- The event of a job's success, copied from the type's declaration when the job opens.
ALTER TABLE control_plane.jobs ADD COLUMN success_event text;

-- A transaction that writes an event takes this lock before it draws the id, and keeps it until its commit is visible.
-- So ids become visible in their order, and a reader that has seen one has missed none below it. The triggers run when
-- the transaction commits, so nobody waits for the lock longer than a commit takes, and nobody who has it waits.
CREATE FUNCTION control_plane.record_event(
    event_type text, of_project text, of_job text, of_tenant text
) RETURNS void LANGUAGE plpgsql AS
$$ BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('control_plane.events', 0));
    INSERT INTO control_plane.events (type, project_id, organization_id, job_id, job_type, tenant_id, error_type)
    SELECT event_type, of_project, projects.organization_id, of_job, jobs.job_type, coalesce(of_tenant, jobs.tenant_id),
           jobs.last_error_type
    FROM (VALUES (1)) AS one (row)
    LEFT JOIN control_plane.projects ON projects.project_id = of_project
    LEFT JOIN control_plane.jobs ON jobs.job_id = of_job;
END $$;

CREATE FUNCTION control_plane.record_event_of_job() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN
    PERFORM control_plane.record_event(
        CASE NEW.status WHEN 'succeeded' THEN coalesce(NEW.success_event, 'job.succeeded') ELSE 'job.' || NEW.status END,
        NEW.project_id, NEW.job_id, NEW.tenant_id);
    RETURN NULL;
END $$;

CREATE FUNCTION control_plane.record_event_of_project() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN
    PERFORM control_plane.record_event('project.failed', NEW.project_id, NEW.job_id, NULL);
    RETURN NULL;
END $$;

CREATE FUNCTION control_plane.record_event_of_tenant() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN
    PERFORM control_plane.record_event('tenant.gone', NEW.project_id, NEW.job_id, NEW.tenant_id);
    RETURN NULL;
END $$;

-- A job that is refused is inserted with its ending.
CREATE CONSTRAINT TRIGGER events_of_new_jobs AFTER INSERT ON control_plane.jobs DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (NEW.status NOT IN ('pending', 'running'))
    EXECUTE FUNCTION control_plane.record_event_of_job();
CREATE CONSTRAINT TRIGGER events_of_jobs AFTER UPDATE ON control_plane.jobs DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (OLD.status <> NEW.status AND NEW.status NOT IN ('pending', 'running'))
    EXECUTE FUNCTION control_plane.record_event_of_job();
CREATE CONSTRAINT TRIGGER events_of_projects AFTER UPDATE ON control_plane.projects DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (OLD.status <> NEW.status AND NEW.status = 'failed')
    EXECUTE FUNCTION control_plane.record_event_of_project();
-- A tenant that no project ever had is nobody's event.
CREATE CONSTRAINT TRIGGER events_of_tenants AFTER UPDATE ON control_plane.tenants DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (OLD.state <> NEW.state AND NEW.state = 'gone' AND NEW.project_id IS NOT NULL)
    EXECUTE FUNCTION control_plane.record_event_of_tenant();
