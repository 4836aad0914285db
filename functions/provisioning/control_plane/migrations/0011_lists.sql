-- The lists of jobs and projects are read newest first, page by page, by all or by status (listing.sql, overview.sql).

CREATE INDEX jobs_by_age ON control_plane.jobs (created_at DESC, job_id DESC);
CREATE INDEX jobs_by_status ON control_plane.jobs (status, created_at DESC, job_id DESC);
CREATE INDEX projects_by_age ON control_plane.projects (created_at DESC, project_id DESC);
