"""The contents of a tenant's schema, and who may do what with it."""

import json
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import psycopg2
import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812

from local.stack import Stack
from provisioning.aws import secrets
from provisioning.tenant import schema
from stages.database import create_database
from stages.schema import create_schema
from tests.conftest import NewProject
from tests.executions.looking import look
from tests.stages.jobs import StagedJob, execute, open_job

ALICE, BOB = str(uuid.uuid4()), str(uuid.uuid4())
ROLES = ("anon", "authenticated", "service_role")


@pytest.fixture(scope="module")
def tenant_job(new_project: NewProject) -> StagedJob:
    """A job whose tenant has its schema, with two users in it and one entry in the log of each."""
    job = open_job(new_project())
    job.run(create_database)
    job.run(create_schema)
    with as_role(job, "service_role") as session:
        for user, name in ((ALICE, "alice"), (BOB, "bob")):
            session.run("INSERT INTO tenant.users (user_id, email) VALUES (%s, %s)", user, f"{name}@example.com")
            session.run("INSERT INTO tenant.audit_log (user_id, action) VALUES (%s, 'joined')", user)
        session.commit()
    return job


class Session:
    """PostgREST's use of the tenant's login: a transaction under another role, with the claims of a token."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._cursor = connection.cursor()

    def run(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        self._cursor.execute(statement, values)
        return self._cursor.fetchall() if self._cursor.description else []

    def become(self, role: str, user: str | None = None) -> None:
        self.run("SELECT set_config('role', %s, true)", role)
        if user is not None:
            self.run("SELECT set_config('request.jwt.claims', %s, true)", json.dumps({"sub": user}))

    def commit(self) -> None:
        self._connection.commit()


@contextmanager
def logged_in(job: StagedJob) -> Iterator[Session]:
    """Yield a session with the issued credentials; what it does not commit is undone."""
    with closing(schema.connect(secrets.read(job.names.secret))) as connection:
        connection.autocommit = False
        yield Session(connection)


@contextmanager
def as_role(job: StagedJob, role: str, user: str | None = None) -> Iterator[Session]:
    with logged_in(job) as session:
        session.become(role, user)
        yield session


def refused(job: StagedJob, role: str, statement: str, user: str | None = None) -> bool:
    """Return whether PostgreSQL denies the role the privilege."""
    with as_role(job, role, user) as session:
        try:
            session.run(statement)
        except psycopg2.errors.InsufficientPrivilege as error:
            return "permission denied" in str(error)
    return False


def test_every_table_is_the_owners_and_under_row_level_security(stack: Stack, tenant_job: StagedJob) -> None:
    owner = tenant_job.names.owner_role
    assert look(stack, tenant_job.project_id).tables == [
        {"name": name, "owner": owner, "row_security": True} for name in ("_migrations", "audit_log", "users")
    ]


def test_what_is_looked_up_has_an_index(stack: Stack, tenant_job: StagedJob) -> None:
    found = execute(
        stack,
        tenant_job.names.database,
        "SELECT indexname FROM pg_indexes WHERE schemaname = 'tenant' ORDER BY indexname",
    )
    assert [name for (name,) in found] == [
        *("_migrations_pkey", "audit_log_by_time", "audit_log_by_user", "audit_log_pkey"),
        *("users_by_email", "users_pkey"),
    ]


def test_two_users_cannot_share_an_address_in_different_cases(tenant_job: StagedJob) -> None:
    with as_role(tenant_job, "service_role") as session, pytest.raises(psycopg2.errors.UniqueViolation):
        session.run("INSERT INTO tenant.users (email) VALUES ('ALICE@example.com')")


@pytest.mark.parametrize("role", ROLES)
def test_the_tenants_login_can_become_the_shared_roles(tenant_job: StagedJob, role: str) -> None:
    with as_role(tenant_job, role) as session:
        assert session.run("SELECT current_user::text") == [(role,)]


@pytest.mark.parametrize("role", ["postgres", "provisioner_admin", "control_plane_owner", "pg_monitor"])
def test_the_tenants_login_can_become_nobody_else(tenant_job: StagedJob, role: str) -> None:
    with logged_in(tenant_job) as session, pytest.raises(psycopg2.Error, match="permission denied to set role"):
        session.become(role)


def test_the_owner_sees_every_row_so_that_its_backup_has_them(tenant_job: StagedJob) -> None:
    with logged_in(tenant_job) as session:
        assert session.run("SELECT current_user::text") == [(tenant_job.names.owner_role,)]
        session.run("SET row_security = off")
        assert session.run("SELECT count(*) FROM tenant.users") == [(2,)]


def test_a_user_sees_nobody_else(tenant_job: StagedJob) -> None:
    with as_role(tenant_job, "authenticated", ALICE) as session:
        assert session.run("SELECT user_id::text FROM tenant.users") == [(ALICE,)]
        assert session.run("SELECT DISTINCT user_id::text FROM tenant.audit_log") == [(ALICE,)]


def test_a_user_changes_nobody_else(tenant_job: StagedJob) -> None:
    with as_role(tenant_job, "authenticated", ALICE) as session:
        changed = session.run("UPDATE tenant.users SET profile = '{\"a\": 1}' RETURNING user_id::text")
        assert changed == [(ALICE,)]


@pytest.mark.parametrize("claims", [None, "", "{}", '{"sub": ""}'])
def test_without_a_user_in_the_claims_nothing_is_seen(tenant_job: StagedJob, claims: str | None) -> None:
    with as_role(tenant_job, "authenticated") as session:
        if claims is not None:
            session.run("SELECT set_config('request.jwt.claims', %s, true)", claims)
        assert session.run("SELECT count(*) FROM tenant.users") == [(0,)]


def test_a_connection_that_served_a_user_before_sees_nothing_in_its_next_transaction(tenant_job: StagedJob) -> None:
    with logged_in(tenant_job) as session:
        session.become("authenticated", ALICE)
        assert session.run("SELECT count(*) FROM tenant.users") == [(1,)]
        session.commit()
        session.become("authenticated")
        # No longer NULL: SET LOCAL leaves an empty text, which a plain cast to uuid rejects.
        assert session.run("SELECT current_setting('request.jwt.claims', true)") == [("",)]
        assert session.run("SELECT count(*) FROM tenant.users") == [(0,)]


def test_a_user_writes_into_the_log_in_no_other_name(tenant_job: StagedJob) -> None:
    with as_role(tenant_job, "authenticated", ALICE) as session:
        assert session.run("INSERT INTO tenant.audit_log (action) VALUES ('read') RETURNING user_id::text") == [
            (ALICE,)
        ]
        with pytest.raises(psycopg2.errors.InsufficientPrivilege, match="row-level security"):
            session.run("INSERT INTO tenant.audit_log (user_id, action) VALUES (%s, 'read')", BOB)


def test_the_service_role_sees_and_changes_every_user(tenant_job: StagedJob) -> None:
    with as_role(tenant_job, "service_role") as session:
        assert session.run("SELECT count(*) FROM tenant.users") == [(2,)]
        session.run("UPDATE tenant.users SET email = 'new-' || email")
        session.run("DELETE FROM tenant.users WHERE user_id = %s", BOB)
        assert session.run("SELECT email FROM tenant.users") == [("new-alice@example.com",)]


DENIED = [
    *(("anon", f"SELECT 1 FROM tenant.{table}") for table in ("users", "audit_log", "_migrations")),
    ("anon", "INSERT INTO tenant.audit_log (action) VALUES ('x')"),
    ("authenticated", "INSERT INTO tenant.users (email) VALUES ('x')"),
    ("authenticated", "DELETE FROM tenant.users"),
    ("authenticated", "UPDATE tenant.users SET user_id = gen_random_uuid()"),
    ("authenticated", "UPDATE tenant.users SET created_at = now()"),
    *((role, "UPDATE tenant.audit_log SET action = 'x'") for role in ROLES),
    *((role, "DELETE FROM tenant.audit_log") for role in ROLES),
    *((role, "TRUNCATE tenant.users") for role in ROLES),
    *((role, "SELECT 1 FROM tenant._migrations") for role in ROLES),
    *((role, "CREATE TABLE tenant.mine ()") for role in ROLES),
    *((role, "CREATE TABLE public.mine ()") for role in ROLES),
    *((role, "CREATE FUNCTION auth.mine() RETURNS integer LANGUAGE sql AS 'SELECT 1'") for role in ROLES),
    *((role, "CREATE SCHEMA mine") for role in ROLES),
]


@pytest.mark.parametrize(("role", "statement"), DENIED, ids=[f"{role}: {statement}" for role, statement in DENIED])
def test_what_a_role_needs_not_it_may_not(tenant_job: StagedJob, role: str, statement: str) -> None:
    assert refused(tenant_job, role, statement, ALICE)


def test_what_the_tenant_creates_is_open_to_the_shared_roles_and_not_to_the_public(job: StagedJob) -> None:
    job.run(create_database)
    job.run(create_schema)
    with logged_in(job) as session:
        session.run("CREATE TABLE public.notes (id bigserial PRIMARY KEY, note text)")
        session.run("CREATE FUNCTION public.two() RETURNS integer LANGUAGE sql AS 'SELECT 2'")
        session.commit()
        for role, allowed in (("anon", False), ("authenticated", True), ("service_role", True)):
            for privilege in ("SELECT", "INSERT", "UPDATE", "DELETE"):
                assert session.run("SELECT has_table_privilege(%s, 'public.notes', %s)", role, privilege) == [
                    (allowed,)
                ]
            assert session.run("SELECT has_sequence_privilege(%s, 'public.notes_id_seq', 'USAGE')", role) == [
                (allowed,)
            ]
            assert session.run("SELECT has_function_privilege(%s, 'public.two()', 'EXECUTE')", role) == [(True,)]
        assert granted_to_public(session) == []


def test_nothing_is_granted_to_the_public(tenant_job: StagedJob) -> None:
    with logged_in(tenant_job) as session:
        assert granted_to_public(session) == []
        session.run("GRANT SELECT ON tenant.users TO PUBLIC")
        assert granted_to_public(session) == ["users"]


def granted_to_public(session: Session) -> list[str]:
    """Return everything of the tenant on which every role of the server has a privilege."""
    rows = session.run(
        """
        WITH ours AS (
            SELECT nspname AS name, coalesce(nspacl, acldefault('n', nspowner)) AS acl FROM pg_namespace
            WHERE nspname IN ('auth', 'extensions', 'public', 'tenant')
            UNION ALL SELECT relname, coalesce(relacl, acldefault('r', relowner)) FROM pg_class
            WHERE relnamespace IN ('public'::regnamespace, 'tenant'::regnamespace) AND relkind IN ('r', 'v', 'S')
            UNION ALL SELECT proname, coalesce(proacl, acldefault('f', proowner)) FROM pg_proc
            WHERE pronamespace IN ('auth'::regnamespace, 'public'::regnamespace, 'tenant'::regnamespace)
            UNION ALL SELECT datname, coalesce(datacl, acldefault('d', datdba)) FROM pg_database
            WHERE datname = current_database()
        )
        SELECT DISTINCT name FROM ours CROSS JOIN LATERAL aclexplode(acl) AS granted WHERE granted.grantee = 0
        """
    )
    return [name for (name,) in rows]
