-- Who has created the role, and whether we may SET ROLE to it. The bootstrap superuser is the grantor of what a creator
-- has of its role, and has the lowest oid.
SELECT pg_get_userbyid(member), pg_has_role(roleid, 'SET')
FROM pg_auth_members JOIN pg_roles ON pg_roles.oid = roleid
WHERE rolname = %(role)s AND admin_option
ORDER BY grantor
LIMIT 1;
