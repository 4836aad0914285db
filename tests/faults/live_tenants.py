"""Everything of a tenant that a job for another one could change, read from its source, byte for byte."""

from typing import Any

from moto.secretsmanager.models import secretsmanager_backends
from psycopg2 import sql

from local.aws import ACCOUNT
from local.aws_client import REGION
from local.stack import Stack
from tests.executions.looking import look
from tests.executions.running import execute

CLUSTER_ROWS = """
    SELECT 'role', to_jsonb(r)::text, shobj_description(r.oid, 'pg_authid') FROM pg_authid r
    WHERE rolname IN ({owner}, {login})
    UNION ALL SELECT 'database', (to_jsonb(d) - 'datfrozenxid' - 'datminmxid')::text,
        shobj_description(d.oid, 'pg_database') FROM pg_database d WHERE datname = {database}
    UNION ALL SELECT 'setting', to_jsonb(s)::text, NULL FROM pg_db_role_setting s
    WHERE setrole IN (SELECT oid FROM pg_authid WHERE rolname IN ({owner}, {login}))
        OR setdatabase = (SELECT oid FROM pg_database WHERE datname = {database})
    UNION ALL SELECT 'member', to_jsonb(m)::text, NULL FROM pg_auth_members m
    WHERE member IN (SELECT oid FROM pg_authid WHERE rolname IN ({owner}, {login}))
        OR roleid IN (SELECT oid FROM pg_authid WHERE rolname IN ({owner}, {login}))
    UNION ALL SELECT 'register', xmin::text || t::text, NULL FROM register.tenants AS t WHERE tenant_id = {tenant}
    ORDER BY 1, 2
"""
ROW = "t.xmin::text || t::text"
ROW_OF_PG_CLASS = (
    "concat_ws(' ', oid, relname, relowner, relfilenode, relacl, reloptions, relrowsecurity, relhastriggers)"
)
"""Without its estimates, which autovacuum and ANALYZE update."""

NOTE = "CREATE TABLE IF NOT EXISTS tenant.notes (note text); INSERT INTO tenant.notes VALUES ({note})"


def tenant_of(stack: Stack, project_id: str) -> str:
    """Return the tenant_id of a project that is active."""
    asked = sql.SQL("SELECT tenant_id FROM control_plane.tenants WHERE project_id = {} AND state = 'active'")
    ((tenant_id,),) = execute(stack, asked.format(sql.Literal(project_id)), "control_plane")
    return str(tenant_id)


def of_cluster(stack: Stack, tenant_id: str) -> list[tuple[Any, ...]]:
    """Return the tenant's rows in the server's catalogs and in its register."""
    name = f"tenant_{tenant_id}"
    named = {"owner": f"{name}_owner", "login": f"{name}_login", "database": name, "tenant": tenant_id}
    asked = sql.SQL(CLUSTER_ROWS).format(**{key: sql.Literal(value) for key, value in named.items()})
    return execute(stack, asked, "provisioner_register")


def everything_of(stack: Stack, project_id: str) -> dict[str, Any]:
    """Return everything of the tenant: what look() sees, its catalog rows, its secrets' versions, and its dump."""
    tenant_id, world = tenant_of(stack, project_id), look(stack, project_id)
    mine = [job["job_id"] for job in world.jobs if job["status"] == "succeeded"]
    return {
        "world": {
            "project": world.project,
            "jobs": [job for job in world.jobs if job["job_id"] in mine],
            "steps": {job: steps for job, steps in world.steps.items() if job in mine},
            "secrets": world.secrets,
            "registrations": world.registrations,
            "tenants": [row for row in world.tenants if row["tenant_id"] == tenant_id],
            "registered": [row for row in world.registered if row["tenant_id"] == tenant_id],
            "service_registrations": [row for row in world.service_registrations if row["tenant_id"] == tenant_id],
            "api_key_secrets": [row for row in world.api_key_secrets if row["tenant_id"] == tenant_id],
            "api_keys": world.api_keys,
        },
        "cluster": of_cluster(stack, tenant_id),
        "secrets": [secret_as_stored(secret["name"]) for secret in world.secrets],
        "dump": dump(stack, f"tenant_{tenant_id}"),
    }


def secret_as_stored(name: str) -> list[str]:
    """Return every version of a secret with its labels and its moments."""
    return [
        repr(sorted(vars(secret).items(), key=lambda item: item[0]))
        for secret in secretsmanager_backends[ACCOUNT][REGION].secrets.values()
        if secret.name == name
    ]


def dump(stack: Stack, database: str) -> dict[str, str]:
    """Return a digest of every catalog and table of a database, who wrote each row (xmin) included."""
    tables = execute(
        stack,
        "SELECT format('%I.%I', nspname, relname), relname = 'pg_class' FROM pg_class"
        " JOIN pg_namespace ON pg_namespace.oid = relnamespace WHERE relkind = 'r' AND NOT relisshared"
        # Writes of autovacuum and ANALYZE do not count.
        " AND relname NOT IN ('pg_statistic', 'pg_statistic_ext_data')",
        database,
    )
    digests = " UNION ALL ".join(
        f"SELECT '{name}', md5(string_agg({ROW_OF_PG_CLASS if is_pg_class else ROW}, E'\n' ORDER BY t.ctid))"
        f" FROM {name} AS t"
        for name, is_pg_class in tables
    )
    return dict(execute(stack, digests, database))


def write_something(stack: Stack, project_id: str) -> None:
    """Put a row into the tenant's database, as its application would."""
    note = sql.SQL(NOTE).format(note=sql.Literal(project_id))
    execute(stack, note, f"tenant_{tenant_of(stack, project_id)}")
