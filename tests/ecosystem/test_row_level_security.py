"""Row level security as PostgREST uses it: SET LOCAL ROLE, and the JWT's claims in request.jwt.claims."""

import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg2
import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812
from psycopg2.extensions import cursor as Cursor  # noqa: N812

from local.stack import Stack
from provisioning.tenant import schema
from tests.stages.jobs import StagedJob, execute


@contextmanager
def request(tenant: Connection, role: str, **claims: str) -> Iterator[Cursor]:
    """A request of PostgREST: a transaction as the role that the JWT names, with its claims for the policies."""
    with tenant, tenant.cursor() as cursor:
        cursor.execute(
            "SELECT set_config('role', %s, true), set_config('request.jwt.claims', %s, true)",
            (role, json.dumps({"role": role, **claims})),
        )
        yield cursor


def test_a_user_sees_only_the_rows_of_the_claims_subject(tenant: Connection) -> None:
    ada, bob = str(uuid.uuid4()), str(uuid.uuid4())
    with request(tenant, "service_role") as cursor:
        for user in (ada, bob):
            cursor.execute("INSERT INTO tenant.users (user_id, email) VALUES (%s, %s)", (user, f"{user}@example.org"))
    with request(tenant, "authenticated", sub=ada) as cursor:
        cursor.execute("SELECT user_id::text FROM tenant.users")
        assert cursor.fetchall() == [(ada,)]
    with request(tenant, "authenticated") as cursor:
        cursor.execute("SELECT user_id FROM tenant.users")
        assert cursor.fetchall() == []


def test_anon_reads_no_users(tenant: Connection) -> None:
    with pytest.raises(psycopg2.errors.InsufficientPrivilege), request(tenant, "anon") as cursor:
        cursor.execute("SELECT 1 FROM tenant.users")


def test_the_owner_reads_every_row_as_its_backup_does(tenant: Connection) -> None:
    with request(tenant, "service_role") as cursor:
        cursor.execute("INSERT INTO tenant.users (email) VALUES ('somebody@example.org')")
    with tenant, tenant.cursor() as cursor:
        # What pg_dump sets, so that a policy that applies is an error.
        cursor.execute("SET row_security = off")
        cursor.execute("SELECT count(*) FROM tenant.users")
        assert cursor.fetchone() == (1,)


def test_only_the_owner_sees_which_migrations_ran(tenant: Connection) -> None:
    with tenant, tenant.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM tenant._migrations")
        assert cursor.fetchone() == (schema.newest_version(),)
    for role in ("anon", "authenticated", "service_role"):
        with pytest.raises(psycopg2.errors.InsufficientPrivilege), request(tenant, role) as cursor:
            cursor.execute("SELECT FROM tenant._migrations")


def test_the_shared_roles_log_in_nowhere(stack: Stack) -> None:
    roles = execute(
        stack,
        "postgres",
        "SELECT rolname::text, rolcanlogin FROM pg_roles WHERE rolname IN ('anon', 'authenticated', 'service_role')",
    )
    assert sorted(roles) == [("anon", False), ("authenticated", False), ("service_role", False)]


def test_public_has_nothing_in_a_fresh_tenant(stack: Stack, job: StagedJob) -> None:
    granted = execute(
        stack,
        job.names.database,
        "SELECT nspname::text FROM pg_namespace, aclexplode(nspacl) AS granted"
        " WHERE granted.grantee = 0 AND nspname NOT IN ('pg_catalog', 'information_schema')"
        " UNION ALL SELECT datname::text FROM pg_database, aclexplode(datacl) AS granted"
        " WHERE granted.grantee = 0 AND datname = current_database()",
    )
    assert granted == []
