SELECT nullif(current_setting('provisioner.held', true), '')::boolean AS held,
       (
           SELECT coalesce(json_object_agg(name, json_build_array(mark, owner_role, connection_limit)), '{}')
           FROM (
               SELECT datname AS name, shobj_description(oid, 'pg_database') AS mark,
                      pg_get_userbyid(datdba) AS owner_role, datconnlimit AS connection_limit
               FROM pg_database WHERE datname = ANY (%(databases)s)
               UNION ALL
               SELECT rolname, shobj_description(oid, 'pg_authid'), NULL, 0
               FROM pg_roles WHERE rolname = ANY (%(roles)s)
           ) AS there
       ) AS found;
