\connect dbname={victim} -- 42501
\connect dbname={victim} user={victim_login} -- 28P01
\connect dbname={victim} user={victim_owner} -- 28P01
\connect user={victim_login} -- 28P01
\connect dbname={victim} user={ally_login} -- 28P01
\connect dbname={victim} options='-c role={victim_owner}' -- 42501
\connect dbname={victim} options='-c session_authorization={victim_login}' -- 42501
\connect dbname={victim} user=anon -- 28P01
\connect dbname={victim} user=service_role -- 28P01
