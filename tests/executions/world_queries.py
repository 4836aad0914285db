"""The queries with which look() reads the control plane, the cluster and a tenant's database."""

DATABASES = """
    SELECT datname AS name, shobj_description(oid, 'pg_database') AS comment, pg_get_userbyid(datdba) AS owner,
           datacl::text[] AS acl, datconnlimit AS connection_limit, datallowconn AS allows_connections,
           pg_encoding_to_char(encoding) AS encoding, datlocprovider AS provider,
           coalesce(to_jsonb(pg_database) ->> 'datlocale', to_jsonb(pg_database) ->> 'daticulocale') AS locale
    FROM pg_database WHERE datname LIKE ANY (%(like)s) ORDER BY datname COLLATE "C"
"""
ROLES = """
    SELECT rolname AS name, shobj_description(oid, 'pg_authid') AS comment, rolcanlogin AS logs_in,
           rolinherit AS inherits, rolsuper OR rolcreatedb OR rolcreaterole OR rolreplication OR rolbypassrls AS powers,
           rolconnlimit AS connection_limit, rolpassword AS verifier,
           ARRAY(SELECT roleid::regrole::text FROM pg_auth_members
                 WHERE member = pg_authid.oid ORDER BY roleid::regrole::text COLLATE "C") AS member_of,
           ARRAY(SELECT member::regrole::text FROM pg_auth_members
                 -- Nobody can become the keeper, which has them on a server before 16.
                 WHERE roleid = pg_authid.oid AND pg_get_userbyid(member) <> 'provisioner_keeper'
                     AND (NOT to_jsonb(pg_auth_members) ? 'set_option'
                     OR (to_jsonb(pg_auth_members) ->> 'set_option')::boolean
                     OR (to_jsonb(pg_auth_members) ->> 'inherit_option')::boolean)
                 ORDER BY member::regrole::text COLLATE "C") AS used_by
    FROM pg_authid WHERE rolname LIKE ANY (%(like)s) ORDER BY rolname COLLATE "C"
"""
DANGLING = """
    SELECT 'setting of a role or database that is gone' AS what FROM pg_db_role_setting
    WHERE setrole <> 0 AND setrole NOT IN (SELECT oid FROM pg_authid)
        OR setdatabase <> 0 AND setdatabase NOT IN (SELECT oid FROM pg_database)
    UNION ALL SELECT 'dependency of a role or database that is gone' FROM pg_shdepend
    WHERE refclassid = 'pg_authid'::regclass AND refobjid NOT IN (SELECT oid FROM pg_authid)
        OR dbid <> 0 AND dbid NOT IN (SELECT oid FROM pg_database)
    UNION ALL SELECT 'membership of a role that is gone' FROM pg_auth_members
    WHERE roleid NOT IN (SELECT oid FROM pg_authid) OR member NOT IN (SELECT oid FROM pg_authid)
    UNION ALL SELECT 'comment on a role or database that is gone' FROM pg_shdescription
    WHERE classoid = 'pg_authid'::regclass AND objoid NOT IN (SELECT oid FROM pg_authid)
        OR classoid = 'pg_database'::regclass AND objoid NOT IN (SELECT oid FROM pg_database)
"""
MISCOUNTED = """
    SELECT format('creator %%s has %%s tenants and counts %%s', name, count(DISTINCT roleid), tenants) AS what
    FROM register.creators
    LEFT JOIN pg_auth_members ON member = to_regrole(name) AND admin_option
        AND pg_get_userbyid(roleid) ~ '^tenant_[a-z]{20}_owner$'
    GROUP BY name, tenants
    HAVING count(DISTINCT roleid) <> tenants
"""
LOCKS = """
    SELECT key AS what FROM unnest(%(keys)s) AS key CROSS JOIN LATERAL (SELECT hashtextextended(key, 0) AS value) AS _
    JOIN pg_locks ON locktype = 'advisory' AND granted
        AND classid::bigint = (value >> 32) & 4294967295 AND objid::bigint = value & 4294967295
"""
TABLES = """
    SELECT relname AS name, pg_get_userbyid(relowner) AS owner,
           relrowsecurity AND NOT relforcerowsecurity AS row_security
    FROM pg_class WHERE relnamespace = to_regnamespace('tenant') AND relkind = 'r' ORDER BY relname COLLATE "C"
"""
PROJECT = "SELECT * FROM control_plane.projects WHERE project_id = %(project_id)s"
JOBS = "SELECT * FROM control_plane.jobs WHERE project_id = %(project_id)s ORDER BY created_at, job_id"
STEPS_OF_JOBS = "SELECT * FROM control_plane.provisioning_steps WHERE job_id = ANY (%(jobs)s) ORDER BY job_id, position"
TENANTS = "SELECT * FROM control_plane.tenants WHERE tenant_id = ANY (%(tenants)s) ORDER BY created_at, tenant_id"
REGISTERED = "SELECT * FROM register.tenants WHERE tenant_id = ANY (%(tenants)s) ORDER BY tenant_id"
RECORDS = {
    "service_registrations": (
        "SELECT * FROM control_plane.service_registrations WHERE tenant_id = ANY (%(tenants)s) ORDER BY service"
    ),
    "api_key_secrets": "SELECT * FROM control_plane.api_key_secrets WHERE tenant_id = ANY (%(tenants)s)",
    "api_keys": "SELECT * FROM control_plane.api_keys WHERE tenant_id = ANY (%(tenants)s) ORDER BY job_id, position",
    "audit": (
        "SELECT * FROM control_plane.audit_log"
        " WHERE project_id = %(project_id)s OR tenant_id = ANY (%(tenants)s) ORDER BY id"
    ),
}
OWNERS = "SELECT tenant_id, project_id FROM control_plane.tenants"
OWNED = "SELECT tenant_id FROM register.tenants WHERE project_id = %(project_id)s"
STATES = "SELECT tenant_id, state FROM control_plane.tenants"
NAMED_IN_CATALOGS = r"""
    SELECT datname AS name FROM pg_database WHERE datname LIKE 'tenant\_%%'
    UNION ALL SELECT rolname FROM pg_authid WHERE rolname LIKE 'tenant\_%%'
    UNION ALL SELECT 'register row of tenant_' || tenant_id FROM register.tenants
"""
VERSIONS = "SELECT version FROM tenant._migrations ORDER BY version"
