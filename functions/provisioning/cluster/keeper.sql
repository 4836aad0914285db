-- The role that brings tenants' roles across an upgrade from before PostgreSQL 16. Over the admin's session in the
-- register's database. Placeholders are {name}: identifiers and literals, composed by psycopg2.sql.

-- name: find_keeping
SELECT to_regprocedure('register.give_to_creator(text[], text)') IS NOT NULL AS exists, ARRAY(
    SELECT rolname::text FROM pg_roles
    WHERE rolname ~ {tenant_role} AND oid NOT IN (
        SELECT roleid FROM pg_auth_members WHERE admin_option AND member = to_regrole({keeper})::oid)
    ORDER BY rolname
) AS not_kept;

-- name: make_keeper
CREATE ROLE {keeper} NOLOGIN NOINHERIT;

-- name: join_keeper
GRANT {keeper} TO CURRENT_USER;

-- name: prepare_keeper
-- The function does nothing before 16. There it grants as a creator's membership is that creates a role, and only
-- roles that the keeper has.
GRANT CREATE ON SCHEMA register TO {keeper};
CREATE OR REPLACE FUNCTION register.give_to_creator(roles text[], creator text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $give$
DECLARE
    kept text := string_agg(rolname::text, ', ') FROM (
        SELECT quote_ident(rolname) AS rolname FROM pg_roles
        JOIN pg_auth_members ON roleid = pg_roles.oid AND admin_option AND member = to_regrole(current_user)::oid
        WHERE rolname = ANY (roles)) AS found;
BEGIN
    IF kept IS NOT NULL THEN
        EXECUTE format('GRANT %s TO %I WITH ADMIN TRUE, INHERIT FALSE, SET FALSE', kept, creator);
    END IF;
END $give$;
ALTER FUNCTION register.give_to_creator(text[], text) OWNER TO {keeper};
REVOKE ALL ON FUNCTION register.give_to_creator(text[], text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION register.give_to_creator(text[], text) TO CURRENT_USER;
REVOKE CREATE ON SCHEMA register FROM {keeper};

-- name: leave_keeper
REVOKE {keeper} FROM CURRENT_USER;

-- name: give_to_keeper
GRANT {roles} TO {keeper} WITH ADMIN OPTION;

-- name: give_to_creator
SELECT register.give_to_creator({roles}, {creator});
