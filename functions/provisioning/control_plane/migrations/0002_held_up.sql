-- The databases of other tenants that refer to the roles of a removed tenant, and so keep them from being dropped. Set
-- when nothing else is left of it.

ALTER TABLE control_plane.tenants ADD COLUMN held_up text;
