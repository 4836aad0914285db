-- Queries on a cluster's register database, over the admin's session. Placeholders are {name}: identifiers and
-- literals, composed by psycopg2.sql.

-- name: lock_tenant
-- Locks that the session still holds belong to an ended attempt: an environment handles one event at a time.
SELECT pg_advisory_unlock_all();
SELECT pg_try_advisory_lock(hashtextextended({tenant_id}, 0)) AS held;

-- name: end_sessions_of_lock_holder
-- Only our own sessions (control_plane/locks.py): an admin may not end a superuser's.
SELECT pg_terminate_backend(holder.pid, 2000)
FROM (SELECT hashtextextended({tenant_id}, 0) AS key) AS named
JOIN pg_locks AS holder
    ON holder.locktype = 'advisory'
    AND holder.database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND holder.classid = ((named.key >> 32) & 4294967295)::oid
    AND holder.objid = (named.key & 4294967295)::oid
    AND holder.objsubid = 1
    AND holder.granted
    AND holder.pid <> pg_backend_pid()
JOIN pg_stat_activity AS session
    ON session.pid = holder.pid AND session.usename = session_user
    AND session.application_name ~ '^provisioner($| until )';

-- name: release_locks
SELECT pg_advisory_unlock_all();

-- name: claim_tenant
-- Assigns the tenant's row to this job, or to the refill, which has no job. A row that names another job, belongs to
-- another control plane or is being removed stays as it is.
WITH claimed AS (
    INSERT INTO register.tenants AS known (tenant_id, control_plane_id, job_id, project_id)
    VALUES ({tenant_id}, {control_plane_id}, {job_id}, {project_id})
    ON CONFLICT (tenant_id) DO UPDATE SET job_id = EXCLUDED.job_id, project_id = EXCLUDED.project_id
        WHERE known.control_plane_id = EXCLUDED.control_plane_id AND known.state <> 'removing'
            AND (known.job_id IS NULL OR known.job_id = EXCLUDED.job_id)
    RETURNING tenant_id
)
SELECT EXISTS (SELECT FROM claimed) AS is_ours,

-- name: claim_removal
-- The row stays until the last attempt that could make anything must have ended: a late one finds the row and stops.
WITH marked AS (
    UPDATE register.tenants
    SET state = 'removing', job_id = coalesce(job_id, {job_id})
    WHERE tenant_id = {tenant_id} AND control_plane_id = {control_plane_id}
        AND (job_id = {job_id} OR (job_id IS NULL AND NOT {must_be_named}))
        AND (state NOT IN ('active', 'suspended') OR {may_be_active})
    RETURNING tenant_id
), inserted AS (
    INSERT INTO register.tenants (tenant_id, control_plane_id, job_id, project_id, state)
    SELECT {tenant_id}, {control_plane_id}, {job_id}, {project_id}, 'removing'
    WHERE NOT {must_be_named}
        AND NOT EXISTS (SELECT FROM register.tenants WHERE tenant_id = {tenant_id})
    RETURNING tenant_id
)
SELECT EXISTS (SELECT FROM marked) OR EXISTS (SELECT FROM inserted) AS is_ours,

-- name: claim_access
-- Records the job that closes a live tenant or opens it again, until that job is done.
WITH claimed AS (
    UPDATE register.tenants
    SET access_job_id = {job_id}, is_changing = true
    WHERE tenant_id = {tenant_id} AND control_plane_id = {control_plane_id} AND state IN ('active', 'suspended')
    RETURNING tenant_id
)
SELECT EXISTS (SELECT FROM claimed) AS is_ours,

-- name: find_ctype
-- The first of these locales that the server has: a part of other queries, which call it chosen_ctype.
SELECT collctype FROM pg_collation
WHERE collname = ANY ({ctypes}) AND collprovider = 'c'
ORDER BY array_position({ctypes}, collname::text)
LIMIT 1

-- name: find_tenant
-- Ends each claim: what the register said before, and what exists on the cluster. A database whose removal was
-- interrupted has the connection limit -2 and can only be dropped. A role's administrator is its creator: the bootstrap
-- superuser, which has the lowest oid, is the grantor of a creator's membership in its role. The keeper of roles from
-- before 16 administers nothing itself.
       (SELECT job_id FROM register.tenants WHERE tenant_id = {tenant_id}) AS holder,
       (SELECT datconnlimit = -2 FROM pg_database WHERE datname = {database}) AS database_is_invalid,
       coalesce((SELECT array_agg(rolname::text) FROM pg_roles WHERE rolname IN ({owner}, {login})), '{{}}') AS roles,
       (
           SELECT pg_get_userbyid(member)
           FROM pg_auth_members JOIN pg_roles ON pg_roles.oid = roleid
           WHERE rolname IN ({owner}, {login}) AND admin_option AND pg_get_userbyid(member) <> {keeper}
           ORDER BY grantor
           LIMIT 1
       ) AS administrator,
       (SELECT name FROM register.creators WHERE tenants < {share} ORDER BY random() LIMIT 1) AS free_creator,
       ({chosen_ctype}) AS ctype,
       to_regcollation('pg_catalog."und-x-icu"') IS NOT NULL AS has_icu,
       to_regrole({keeper}) IS NOT NULL AS has_keeper,
       (SELECT is_changing OR state = 'suspended' FROM register.tenants WHERE tenant_id = {tenant_id}) AS may_be_closed;

-- name: record_state
-- The job has finished making the tenant, or changing the access to it.
UPDATE register.tenants
SET state = {state}, is_changing = false
WHERE tenant_id = {tenant_id} AND control_plane_id = {control_plane_id} AND {job_id} = coalesce(access_job_id, job_id)
    AND state <> 'removing'
RETURNING tenant_id;

-- name: find_registered
SELECT tenant_id, job_id, project_id, state, access_job_id, is_changing
FROM register.tenants
WHERE control_plane_id = {control_plane_id} AND (tenant_id = {tenant_id} OR {job_id} IN (job_id, access_job_id))
ORDER BY tenant_id;

-- name: find_holders
SELECT tenant_id, control_plane_id::text, job_id, state FROM register.tenants WHERE tenant_id = ANY ({tenant_ids});

-- name: forget_tenant
DELETE FROM register.tenants
WHERE tenant_id = {tenant_id} AND control_plane_id = {control_plane_id} AND state = 'removing';

-- name: find_server
-- What a tenant made now consists of, apart from our own schema. One made from anything else is not given to a new job.
SELECT format('PostgreSQL %s, LC_CTYPE %s, %s', current_setting('server_version'), coalesce(
           ({chosen_ctype}), 'C'), coalesce(string_agg(
           format('%s %s', name, default_version), ', ' ORDER BY name), 'no extensions')) AS fingerprint
FROM pg_available_extensions
WHERE name = ANY ({extensions});

-- name: find_powers
-- Whether this admin may make extensions that PostgreSQL does not call trusted.
SELECT rolsuper OR EXISTS (
    SELECT FROM pg_roles AS master WHERE master.rolname = 'rds_superuser' AND pg_has_role(master.oid, 'USAGE')
) AS makes_any_extension
FROM pg_roles
WHERE rolname = current_user;

-- name: find_roles
-- Whether the admin itself may act as these roles, and who may grant them (see find_tenant for a role's administrator).
SELECT rolname::text AS role, (
           SELECT pg_get_userbyid(member)::text FROM pg_auth_members
           WHERE roleid = pg_roles.oid AND admin_option AND pg_get_userbyid(member) <> {keeper}
           ORDER BY grantor
           LIMIT 1
       ) AS administrator, EXISTS (
           SELECT FROM pg_auth_members AS own
           WHERE own.roleid = pg_roles.oid AND own.member = to_regrole(quote_ident(session_user))::oid
       ) AND pg_has_role(session_user, oid, {option}) AS may_act
FROM pg_roles
WHERE rolname = ANY ({roles})
ORDER BY rolname;

-- name: find_role_names
SELECT rolname::text AS role FROM pg_roles WHERE rolname = ANY ({roles});

-- name: join_role
GRANT {role} TO CURRENT_USER;

-- name: leave_role
REVOKE {role} FROM CURRENT_USER;

-- name: make_creator
INSERT INTO register.creators (name, tenants) VALUES ({name}, 0);
CREATE ROLE {creator} NOLOGIN INHERIT CREATEROLE CREATEDB;

-- name: prepare_creator
-- So that the creator can grant them to its tenants' logins; it uses none of them itself.
GRANT {shared_roles} TO {creator} WITH ADMIN TRUE, INHERIT FALSE, SET FALSE;
GRANT {creator} TO CURRENT_USER WITH INHERIT FALSE, SET TRUE;

-- name: forget_lost_creators
DELETE FROM register.creators WHERE to_regrole(quote_ident(name)) IS NULL;

-- name: find_creators
SELECT name FROM register.creators ORDER BY name;

-- name: find_ungranted
-- Of how many tenants nobody of ours may grant the roles, and for how many more tenants the creators have places. Roles
-- that came from a server before 16 have no administrator: there CREATEROLE sufficed.
SELECT (
           SELECT count(DISTINCT substring(rolname FROM 8 FOR 20))::integer FROM pg_roles
           WHERE rolname ~ {tenant_role} AND NOT EXISTS (
               SELECT FROM pg_auth_members
               WHERE roleid = pg_roles.oid AND admin_option
                   AND (member = admin.oid OR starts_with(pg_get_userbyid(member), {prefix})))
       ) AS tenants, (
           SELECT coalesce(sum(greatest({share} - (
               SELECT count(DISTINCT substring(pg_get_userbyid(roleid) FROM 8 FOR 20)) FROM pg_auth_members
               WHERE member = creator.oid AND pg_get_userbyid(roleid) ~ {tenant_role}), 0)), 0)::integer
           FROM pg_roles AS creator
           WHERE starts_with(creator.rolname, {prefix}) AND pg_has_role(admin.oid, creator.oid, 'MEMBER')
       ) AS places
FROM pg_roles AS admin
WHERE rolname = {admin};

-- name: find_places
-- The creator of the admin that each of these tenants' roles can be given to, as if it had made them.
SELECT creator, array_agg(role ORDER BY role) AS roles
FROM (
    SELECT rolname::text AS role, dense_rank() OVER (ORDER BY substring(rolname FROM 8 FOR 20)) AS place FROM pg_roles
    WHERE rolname ~ {tenant_role} AND NOT EXISTS (
        SELECT FROM pg_auth_members
        WHERE roleid = pg_roles.oid AND admin_option
            AND (pg_get_userbyid(member) = {admin} OR starts_with(pg_get_userbyid(member), {prefix})))
) AS ungranted
JOIN (
    SELECT rolname::text AS creator, row_number() OVER (ORDER BY rolname, place) AS place
    FROM pg_roles, generate_series(1, {share}) AS place
    WHERE starts_with(rolname, {prefix}) AND pg_has_role({admin}, oid, 'MEMBER') AND place > (
        SELECT count(DISTINCT substring(pg_get_userbyid(roleid) FROM 8 FOR 20)) FROM pg_auth_members
        WHERE member = oid AND pg_get_userbyid(roleid) ~ {tenant_role})
) AS places USING (place)
GROUP BY creator
ORDER BY creator;

-- name: find_standing
-- Whether an admin uses the privileges of roles that it joins, and of the register's owner.
SELECT admin.rolinherit AS inherits, admin.rolsuper AS is_superuser, owner.rolname::text AS register_owner,
       owner.rolsuper AS owner_is_superuser, coalesce(pg_has_role(admin.oid, owner.oid, 'USAGE'), true) AS uses_register
FROM pg_roles AS admin
LEFT JOIN pg_database AS register ON register.datname = {register}
LEFT JOIN pg_roles AS owner ON owner.oid = register.datdba
WHERE admin.rolname = {admin};

-- name: record_creator_taken
UPDATE register.creators SET tenants = tenants + 1 WHERE name = {name};

-- name: record_creator_freed
UPDATE register.creators SET tenants = tenants - 1 WHERE name = {name};

-- name: find_maintenance_databases
-- Those that this role may close: both for a superuser or the master user of RDS, none for another admin.
SELECT datname FROM pg_database
WHERE datname IN ('postgres', 'template1') AND pg_has_role(datdba, 'USAGE')
ORDER BY datname;

-- name: make_register
-- The admin's own record of the tenants on its server: the witness after a failover or restore of the control plane,
-- and the source for rebuilding a lost one. No other role can connect here, or reach the locks that are taken here.
CREATE SCHEMA IF NOT EXISTS register;
CREATE TABLE IF NOT EXISTS register.tenants (
    tenant_id        text PRIMARY KEY,
    control_plane_id uuid NOT NULL,
    job_id           text,
    project_id       text,
    state            text NOT NULL DEFAULT 'kept' CHECK (state IN ('kept', 'active', 'suspended', 'removing')),
    -- The latest job that closed a live tenant or opened it again, and whether it is still doing so.
    access_job_id    text,
    is_changing      boolean NOT NULL DEFAULT false,
    recorded_at      timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX IF NOT EXISTS tenants_by_job ON register.tenants (job_id);
CREATE TABLE IF NOT EXISTS register.creators (
    name    text PRIMARY KEY,
    tenants integer NOT NULL
);
-- Tenants' databases that were opened so that the admin could enter them, and what to put back.
CREATE TABLE IF NOT EXISTS register.opened_databases (
    database            text PRIMARY KEY,
    connection_limit    integer,
    refuses_connections boolean NOT NULL,
    refuses_admin       boolean NOT NULL,
    opened_at           timestamptz NOT NULL DEFAULT now()
);
