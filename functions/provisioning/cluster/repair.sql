-- What is repaired on a cluster outside jobs. Over the admin's session in the register's database.
-- Placeholders are {name}, composed by psycopg2.sql.

-- name: find_left
-- Memberships that the admin or a creator has granted itself in a tenant's role. Those that come with the creation of a
-- role are granted by the bootstrap superuser, whose oid is 10 on every server, and one with ADMIN OPTION makes a creator
-- of what came from before 16 (find_places in cluster.sql). And whether a creator's count differs
-- from the tenants whose roles it has created. A join with pg_roles would go through every role for every creator.
SELECT ARRAY(
           SELECT ARRAY[substring(role.rolname FROM 8 FOR 20), role.rolname::text, member.rolname::text]
           FROM pg_auth_members AS membership
           JOIN pg_roles AS role ON role.oid = roleid
           JOIN pg_roles AS member ON member.oid = membership.member
           WHERE role.rolname ~ {tenant_role} AND grantor <> 10 AND NOT admin_option
               AND (member.rolname = session_user OR member.rolname IN (SELECT name FROM register.creators))
           ORDER BY role.rolname, member.rolname
       ) AS memberships,
       EXISTS (
           SELECT FROM register.creators
           WHERE tenants <> (
               SELECT count(DISTINCT substring(pg_get_userbyid(roleid) FROM 8 FOR 20)) FROM pg_auth_members
               WHERE member = to_regrole(quote_ident(name))::oid
                   AND pg_get_userbyid(roleid) ~ {tenant_role})
       ) AS is_miscounted;

-- name: lock_creators
-- Whoever makes or drops a tenant's roles changes its creator's row in the same transaction.
SELECT name FROM register.creators ORDER BY name FOR UPDATE;

-- name: record_counts
UPDATE register.creators SET tenants = (
    SELECT count(DISTINCT substring(pg_get_userbyid(roleid) FROM 8 FOR 20)) FROM pg_auth_members
    WHERE member = to_regrole(quote_ident(name))::oid
        AND pg_get_userbyid(roleid) ~ {tenant_role});
