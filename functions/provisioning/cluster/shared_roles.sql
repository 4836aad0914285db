-- The roles that every tenant's login may take. Over a session of the cluster's admin or of a superuser.
-- Placeholders are {name}: identifiers and literals, composed by psycopg2.sql.

-- name: find_powers
-- What every tenant could do through a shared role, beyond what is granted in its own database, each with the statement
-- that takes it away. Before PostgreSQL 16 a membership has one grantor, who need not exist any more.
WITH shared AS (SELECT * FROM pg_roles WHERE rolname = ANY ({shared_roles}))
SELECT rolname::text AS role, attribute AS power, format('ALTER ROLE %I NO%s;', rolname, attribute) AS remedy
FROM shared, LATERAL (VALUES
    ('SUPERUSER', rolsuper), ('BYPASSRLS', rolbypassrls), ('CREATEROLE', rolcreaterole), ('CREATEDB', rolcreatedb),
    ('REPLICATION', rolreplication), ('LOGIN', rolcanlogin)) AS held (attribute, is_held)
WHERE is_held
UNION ALL
SELECT shared.rolname, 'membership in ' || granted.rolname, format('REVOKE %I FROM %I%s;', granted.rolname,
           shared.rolname, CASE WHEN {has_grantors} THEN format(' GRANTED BY %I', pg_get_userbyid(grantor)) END)
FROM shared
JOIN pg_auth_members ON member = shared.oid
JOIN pg_roles AS granted ON granted.oid = roleid
UNION ALL
SELECT rolname, 'the database ' || datname, format('ALTER DATABASE %I OWNER TO %I;', datname, {admin})
FROM shared JOIN pg_database ON datdba = shared.oid
UNION ALL
SELECT rolname, 'the tablespace ' || spcname, format('ALTER TABLESPACE %I OWNER TO %I;', spcname, {admin})
FROM shared JOIN pg_tablespace ON spcowner = shared.oid
UNION ALL
SELECT rolname, format('%s on the parameter %s', privilege_type, parname),
       format('REVOKE %s ON PARAMETER %s FROM %I;', privilege_type, parname, rolname)
FROM shared, pg_parameter_acl, LATERAL aclexplode(paracl)
WHERE grantee = shared.oid
ORDER BY role, power;

-- name: find_shared_role
SELECT to_regrole({role}) IS NOT NULL AS is_there,
       coalesce(pg_has_role({admin}, to_regrole({role})::oid, {option}), false) AS may_be_acted_as, EXISTS (
    SELECT FROM pg_auth_members
    WHERE roleid = to_regrole({role})::oid AND member = to_regrole(quote_ident({admin}))::oid AND admin_option
) AS may_be_granted;

-- name: find_settings
-- The names of the settings of each shared role, for the whole server or for one database. The values are tenants' own.
-- Those of the whole server come first: a tenant may set some for every database.
SELECT rolname::text AS role, datname::text AS database, ARRAY(
           SELECT split_part(setting, '=', 1) FROM unnest(setconfig) AS setting ORDER BY setting
       ) AS names
FROM pg_db_role_setting
JOIN pg_roles ON pg_roles.oid = setrole
LEFT JOIN pg_database ON pg_database.oid = setdatabase
WHERE rolname = ANY ({shared_roles})
ORDER BY datname NULLS FIRST, rolname;

-- name: find_kept
-- The settings that this transaction's resets have kept, in the form of find_settings. Until the transaction ends
-- nobody else can change these rows, or insert those that it has deleted.
SELECT rolname::text AS role, datname::text AS database, ARRAY(
           SELECT split_part(setting, '=', 1) FROM unnest(setconfig) AS setting ORDER BY setting
       ) AS names
FROM pg_db_role_setting
JOIN pg_roles ON pg_roles.oid = setrole
LEFT JOIN pg_database ON pg_database.oid = setdatabase
WHERE pg_db_role_setting.xmin = pg_current_xact_id()::xid;
