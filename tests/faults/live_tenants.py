"""Everything of a tenant that a job for another one could change, read from where it is kept, byte for byte."""

from typing import Any

from moto.secretsmanager.models import secretsmanager_backends
from provisioning.naming import TenantNames, tenant_names

from local.aws import ACCOUNT
from local.aws_client import REGION
from local.stack import Stack
from tests.executions.looking import look
from tests.executions.running import execute

CLUSTER_ROWS = """
    SELECT 'role', to_jsonb(r)::text, shobj_description(r.oid, 'pg_authid') FROM pg_authid r
    WHERE rolname IN ('{owner}', '{login}')
    UNION ALL SELECT 'database', (to_jsonb(d) - 'datfrozenxid' - 'datminmxid')::text,
        shobj_description(d.oid, 'pg_database') FROM pg_database d WHERE datname = '{database}'
    UNION ALL SELECT 'setting', to_jsonb(s)::text, NULL FROM pg_db_role_setting s
    WHERE setrole IN (SELECT oid FROM pg_authid WHERE rolname IN ('{owner}', '{login}'))
        OR setdatabase = (SELECT oid FROM pg_database WHERE datname = '{database}')
    UNION ALL SELECT 'member', to_jsonb(m)::text, NULL FROM pg_auth_members m
    WHERE member IN (SELECT oid FROM pg_authid WHERE rolname IN ('{owner}', '{login}'))
        OR roleid IN (SELECT oid FROM pg_authid WHERE rolname IN ('{owner}', '{login}'))
    ORDER BY 1, 2
"""
ROW = "t.xmin::text || t::text"
ROW_OF_PG_CLASS = (
    "concat_ws(' ', oid, relname, relowner, relfilenode, relacl, reloptions, relrowsecurity, relhastriggers)"
)
"""Without its estimates, which autovacuum and ANALYZE write anew."""

MARK = "CREATE TABLE IF NOT EXISTS tenant.notes (note text); INSERT INTO tenant.notes VALUES ('{}')"


def of_cluster(stack: Stack, names: TenantNames) -> list[tuple[Any, ...]]:
    """Returns the rows of the server's catalogs that are about the tenant's database and roles."""
    named = {"owner": names.owner_role, "login": names.login_role, "database": names.database}
    return execute(stack, CLUSTER_ROWS.format(**named))


def everything_of(stack: Stack, project_id: str) -> dict[str, Any]:
    """Returns what is there of the tenant: what look() sees, its catalog rows, its secret's versions, and its dump."""
    names, world = tenant_names(project_id), look(stack, project_id)
    jobs_that_failed = {job["job_id"] for job in world.jobs if job["status"] != "succeeded"}
    return {
        "world": {
            "project": world.project,
            "jobs": [job for job in world.jobs if job["job_id"] not in jobs_that_failed],
            "steps": {job: steps for job, steps in world.steps.items() if job not in jobs_that_failed},
            "secrets": world.secrets,
            "registrations": world.registrations,
            "tenant_databases": world.tenant_databases,
            "service_registrations": world.service_registrations,
            "api_keys": world.api_keys,
        },
        "cluster": of_cluster(stack, names),
        "secret": secret_as_stored(names.secret),
        "dump": dump(stack, names.database),
    }


def secret_as_stored(name: str) -> list[str]:
    """Returns every version of a secret with its labels and its moments."""
    return [
        repr(sorted(vars(secret).items(), key=lambda item: item[0]))
        for secret in secretsmanager_backends[ACCOUNT][REGION].secrets.values()
        if secret.name == name
    ]


def dump(stack: Stack, database: str) -> dict[str, str]:
    """Returns a digest of every catalog and table of a database, who wrote each row (xmin) included."""
    tables = execute(
        stack,
        "SELECT format('%I.%I', nspname, relname), relname = 'pg_class' FROM pg_class"
        " JOIN pg_namespace ON pg_namespace.oid = relnamespace WHERE relkind = 'r' AND NOT relisshared"
        # What autovacuum and ANALYZE write is nobody's.
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
    """Puts a row into the tenant's database, as its application would."""
    execute(stack, MARK.format(project_id), tenant_names(project_id).database)
