-- Whether a project is protected from every job that may remove its tenant (provisioning/protection.py).

ALTER TABLE control_plane.projects ADD COLUMN is_protected boolean NOT NULL DEFAULT false;
