SELECT nullif(current_setting('provisioner.held', true), '')::boolean AS held,
       (
           SELECT coalesce(json_object_agg(name, json_build_array(mark, owner_role, connection_limit, administrator)), '{}')
           FROM (
               SELECT datname AS name, shobj_description(oid, 'pg_database') AS mark,
                      pg_get_userbyid(datdba) AS owner_role, datconnlimit AS connection_limit, NULL AS administrator
               FROM pg_database WHERE datname = ANY (%(databases)s)
               UNION ALL
               SELECT rolname, shobj_description(oid, 'pg_authid'), NULL, 0, (
                   SELECT pg_get_userbyid(member) FROM pg_auth_members
                   WHERE roleid = pg_roles.oid AND admin_option ORDER BY grantor LIMIT 1)
               FROM pg_roles
               WHERE rolname = ANY (array_append(%(roles)s, %(creator)s))
                   AND (rolname <> %(creator)s OR pg_has_role(oid, 'SET'))
           ) AS there
       ) AS found;
