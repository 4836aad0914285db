-- Each with whether the admin may SET ROLE to it.
SELECT rolname::text, pg_has_role(%(admin)s, oid, 'SET') FROM pg_roles WHERE starts_with(rolname, %(prefix)s);
