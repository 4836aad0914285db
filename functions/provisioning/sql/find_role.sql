SELECT shobj_description(oid, 'pg_authid') FROM pg_roles WHERE rolname = %(role)s;
