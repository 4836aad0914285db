-- Each with whether all is granted: that the admin may SET ROLE to it, and that it has the rights of the object role.
SELECT rolname::text, pg_has_role(%(admin)s, oid, 'SET') AND pg_has_role(oid, objects, 'USAGE') IS TRUE
FROM pg_roles, CAST(to_regrole(%(objects)s) AS oid) AS objects
WHERE starts_with(rolname, %(prefix)s) OR oid = objects;
