-- Each attacker sends its own password, which must fit no other tenant, role or name
\connect user={victim_login} dbname={victim} -- 28P01
\connect user={ally_login} dbname={ally} -- 28P01
\connect user={admin} -- 28P01
\connect user={control_plane_owner} -- 28P01
\connect user={superuser} -- 28P01
\connect user={own_owner} -- 28P01
\connect user=anon -- 28P01
\connect user=authenticated -- 28P01
\connect user=service_role -- 28P01
