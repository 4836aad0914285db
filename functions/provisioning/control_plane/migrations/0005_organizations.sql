-- How much an organization may have. "Verify project" makes the row on the first use, and locks it while it decides.

CREATE TABLE control_plane.organizations (
    organization_id text PRIMARY KEY,
    projects        integer NOT NULL DEFAULT 1000 CHECK (projects >= 0),
    jobs_an_hour    integer NOT NULL DEFAULT 1000 CHECK (jobs_an_hour >= 0),
    storage_gb      integer NOT NULL DEFAULT 100000 CHECK (storage_gb >= 0),
    created_at      timestamptz NOT NULL DEFAULT now()
);

-- What the latest job that gave the project a tenant asked for.
ALTER TABLE control_plane.projects ADD COLUMN storage_gb integer;
CREATE INDEX projects_by_organization ON control_plane.projects (organization_id);

-- The organization whose jobs an hour it is one of; NULL for a job of a type that adds nothing, or that never opened.
ALTER TABLE control_plane.jobs ADD COLUMN counted_for text;
CREATE INDEX jobs_counted ON control_plane.jobs (counted_for, created_at) WHERE counted_for IS NOT NULL;

-- What an organization has beside a project, with the limit of each. A project counts from the opening of the job that
-- adds it until that job has left nothing. NULL if the organization has no row.
CREATE FUNCTION control_plane.usage_beside(of_organization text, of_project text) RETURNS json LANGUAGE sql STABLE AS
$$
    SELECT json_build_object(
        'projects', json_build_array(used.projects, organizations.projects),
        'jobs_an_hour', json_build_array(
            (SELECT count(*) FROM control_plane.jobs
             WHERE counted_for = of_organization AND jobs.created_at > now() - interval '1 hour'),
            organizations.jobs_an_hour),
        'storage_gb', json_build_array(used.storage_gb, organizations.storage_gb))
    FROM control_plane.organizations,
         (SELECT count(*) AS projects, coalesce(sum(projects.storage_gb), 0) AS storage_gb
          FROM control_plane.projects
          WHERE projects.organization_id = of_organization AND projects.project_id IS DISTINCT FROM of_project
              AND projects.status NOT IN ('created', 'failed')) AS used
    WHERE organizations.organization_id = of_organization
$$;
