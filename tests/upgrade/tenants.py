"""Tenants on a cluster that is upgraded: what they do before, and all that is compared afterwards."""

import json
import uuid
from contextlib import closing
from typing import Any

import psycopg2
from psycopg2 import sql

from local.stack import Stack
from provisioning.identity import TenantNames
from tests.upgrade.pg_upgrade import query

WORK = """
    CREATE EXTENSION IF NOT EXISTS hstore SCHEMA extensions;
    CREATE TABLE public.notes (
        id bigserial PRIMARY KEY, owner text, body extensions.citext UNIQUE, tags extensions.hstore);
    ALTER TABLE public.notes ENABLE ROW LEVEL SECURITY;
    CREATE POLICY own ON public.notes TO authenticated USING (owner = current_setting('app.who', true));
    GRANT SELECT ON public.notes TO authenticated;
    INSERT INTO public.notes (owner, body, tags) SELECT 'ada', 'É' || n, 'a=>1' FROM generate_series(1, 50) AS n;
"""
ROWS = "SELECT id, owner, body::text, tags::text FROM public.notes ORDER BY id"
# Since PostgreSQL 17 all privileges of a table are one more, MAINTAIN. pg_upgrade grants in an order of its own.
RIGHTS = """
    SELECT 'table' AS kind, relname::text AS name, (
               SELECT string_agg(replace(one::text, 'Dxtm', 'Dxt'), ' ' ORDER BY one::text)
               FROM unnest(relacl) AS one
           ) AS rights,
           relrowsecurity::text AS detail, pg_get_userbyid(relowner)::text AS owner
    FROM pg_class
    WHERE relnamespace IN ('tenant'::regnamespace, 'public'::regnamespace) AND relkind IN ('r', 'S')
    UNION ALL
    SELECT 'policy', policyname::text, roles::text, qual, tablename::text FROM pg_policies
    UNION ALL
    SELECT 'schema', nspname::text, nspacl::text, '', pg_get_userbyid(nspowner)::text FROM pg_namespace
    WHERE nspname !~ '^pg_(toast|temp)' AND nspname <> 'information_schema' AND nspname <> 'pg_catalog'
    UNION ALL
    SELECT 'default', defaclobjtype::text, (
               SELECT string_agg(replace(one::text, 'Dxtm', 'Dxt'), ' ' ORDER BY one::text)
               FROM unnest(defaclacl) AS one
           ), '',
           pg_get_userbyid(defaclrole)::text
    FROM pg_default_acl
    ORDER BY kind, name, owner, rights
"""
ON_SERVER = """
    SELECT 'role', rolname::text,
           concat_ws(' ', rolsuper, rolinherit, rolcanlogin, rolconnlimit, rolpassword, setconfig)
    FROM pg_authid LEFT JOIN pg_db_role_setting ON setrole = pg_authid.oid WHERE rolname ~ {tenants}
    UNION ALL
    SELECT 'database', datname::text, concat_ws(' ', datacl, datconnlimit, datallowconn, datcollate, datctype)
    FROM pg_database WHERE datname ~ {tenants}
    UNION ALL
    SELECT 'membership', roleid::regrole::text, member::regrole::text FROM pg_auth_members
    WHERE member::regrole::text ~ {tenants} ORDER BY 1, 2, 3
"""


def new_project(stack: Stack) -> str:
    project_id = f"p-{uuid.uuid4().hex[:12]}"
    added = (
        "INSERT INTO control_plane.projects (project_id, organization_id, owner_id, region) VALUES ({}, 'o', 'u', {})"
    )
    query(stack, sql.SQL(added).format(sql.Literal(project_id), sql.Literal("us-east-1")), "control_plane")
    return project_id


def provision(stack: Stack, version: str | None = None) -> dict[str, Any]:
    """A project on the stack's server, or on a cluster of that version."""
    payload = {
        "project_id": new_project(stack),
        "region": "us-east-1",
        "database": {"version": version or stack.postgres.major_version()},
        "services": {"auth": True},
    }
    return {"project_id": payload["project_id"], **stack.run(payload)}


def tenant_of(stack: Stack, project_id: str) -> TenantNames:
    asked = "SELECT tenant_id FROM control_plane.tenants WHERE project_id = {} AND state IN ('active', 'suspended')"
    ((tenant_id,),) = query(stack, sql.SQL(asked).format(sql.Literal(project_id)), "control_plane")
    return TenantNames(tenant_id)


def as_tenant(stack: Stack, names: TenantNames, statement: str) -> list[tuple[Any, ...]]:
    """Run a statement with the issued credentials."""
    kept = json.loads(stack.client("secretsmanager").get_secret_value(SecretId=names.secret)["SecretString"])
    asked = {"host": kept["host"], "port": kept["port"], "user": kept["username"], "password": kept["password"]}
    with closing(psycopg2.connect(dbname=kept["dbname"], **asked)) as session, session, session.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchall() if cursor.description else []


def seen(stack: Stack, *databases: str) -> dict[str, Any]:
    """Rows and rights in tenants' databases, and what the server has of every tenant."""
    inside = {name: [query(stack, asked, name) for asked in (ROWS, RIGHTS)] for name in databases}
    named = sql.SQL(ON_SERVER).format(tenants=sql.Literal(f"^({'|'.join(databases)})"))
    return {"server": query(stack, named), **inside}


def close_the_way(stack: Stack, database: str) -> None:
    """What a tenant may do that stops pg_upgrade."""
    query(
        stack,
        "BEGIN; INSERT INTO public.notes (owner) VALUES ('held'); PREPARE TRANSACTION 'held'",
        database,
    )
    query(stack, sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS false").format(sql.Identifier(database)))


def open_the_way(stack: Stack, database: str) -> None:
    """As the section says."""
    query(stack, sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS true").format(sql.Identifier(database)))
    query(stack, "ROLLBACK PREPARED 'held'", database)
