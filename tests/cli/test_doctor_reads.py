"""provision doctor only reads, in a time that hardly grows with the number of tenants, and shows no secret."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import psycopg2
import pytest
from psycopg2 import sql
from psycopg2.extensions import connection as Connection  # noqa: N812
from psycopg2.extensions import cursor as Cursor  # noqa: N812
from typing_extensions import override

from cli import doctor
from local.stack import Stack
from provisioning import postgres
from provisioning.aws import secrets_manager
from provisioning.cluster.session import REGISTER
from provisioning.identity import TenantNames
from tests.cli.examining import changed_cluster
from tests.executions.looking import look
from tests.executions.running import execute, payload_for, run
from tests.stages import test_many_tenants

pytestmark = pytest.mark.slow
MANY = 3000
SECONDS = 30.0
WRITTEN = """
    SELECT relname, n_tup_ins, n_tup_upd, n_tup_del, n_live_tup FROM pg_stat_user_tables
    WHERE schemaname IN ('control_plane', 'register') ORDER BY relname
"""
CATALOGS = """
    SELECT xmin::text, oid::text, rolname::text FROM pg_authid
    UNION ALL SELECT xmin::text, oid::text, datname::text FROM pg_database
    UNION ALL SELECT xmin::text, roleid::text, member::text FROM pg_auth_members
    ORDER BY 2, 1, 3
"""


def everything(stack: Stack, project_id: str) -> list[Any]:
    """What doctor could change: rows, the counts of writes, the catalogs, secrets and registrations."""
    execute(stack, "SELECT pg_stat_force_next_flush()")
    counts = [execute(stack, WRITTEN, dbname) for dbname in ("control_plane", REGISTER)]
    return [look(stack, project_id), counts, execute(stack, CATALOGS)]


def test_doctor_changes_nothing(stack: Stack, project_id: str) -> None:
    assert run(stack, payload_for(project_id, "auth")).status == "SUCCEEDED"
    list(doctor.examine())
    before = everything(stack, project_id)
    requests: list[str] = []
    with sent_to_secrets_manager(requests):
        list(doctor.examine())
    assert everything(stack, project_id) == before
    assert {name for name in requests if not name.startswith(("Get", "List", "Describe"))} == set()
    assert "ListSecrets" in requests


@pytest.mark.usefixtures("stack")
def test_no_session_of_doctor_can_write() -> None:
    """Each is tried by whoever uses it: another thread would come before it is read-only, or after it is closed."""
    refused = set[tuple[str, str | None]]()

    class Trying(Cursor):
        @override
        def execute(self, *arguments: Any) -> None:
            with pytest.raises(psycopg2.Error) as raised:
                super().execute("CREATE ROLE written")
            # Raised here, another error would become a finding of doctor's.
            refused.add((threading.current_thread().name, raised.value.pgcode))
            super().execute(*arguments)

    def use(session: Connection) -> None:
        session.cursor_factory = Trying

    with connected(use):
        list(doctor.examine())
    assert {code for _, code in refused} == {postgres.READ_ONLY}
    assert len({thread for thread, _ in refused}) > 1, "the services are examined by threads of their own"


@pytest.fixture
def many(stack: Stack) -> Iterator[None]:
    """Thousands of live tenants in the control plane and the register, half of them with roles."""
    execute(stack, test_many_tenants.FILL, "control_plane")
    ((identity,),) = execute(stack, "SELECT control_plane_id FROM control_plane.identity", "control_plane")
    kept = execute(
        stack,
        "SELECT tenant_id, job_id, project_id FROM control_plane.tenants WHERE starts_with(tenant_id, 'filler')",
        "control_plane",
    )
    rows = [
        sql.SQL("({}, {}, {}, {}, 'active')").format(*map(sql.Literal, (one[0], identity, *one[1:]))) for one in kept
    ]
    added = sql.SQL("INSERT INTO register.tenants (tenant_id, control_plane_id, job_id, project_id, state) VALUES {}")
    execute(stack, added.format(sql.SQL(", ").join(rows)), REGISTER)
    names = [TenantNames(tenant_id) for tenant_id, *_ in kept[::3]]
    made = [
        sql.SQL("CREATE ROLE {o}; CREATE ROLE {l} LOGIN; GRANT {o}, anon, authenticated, service_role TO {l}").format(
            o=sql.Identifier(one.owner_role), l=sql.Identifier(one.login_role)
        )
        for one in names
    ]
    execute(stack, sql.SQL("; ").join(made))
    yield
    dropped = [sql.Identifier(role) for one in names for role in (one.login_role, one.owner_role)]
    execute(stack, sql.SQL("DROP ROLE {}").format(sql.SQL(", ").join(dropped)))
    execute(stack, "DELETE FROM register.tenants WHERE starts_with(tenant_id, 'filler')", REGISTER)
    execute(stack, test_many_tenants.CLEAR, "control_plane")


@pytest.mark.usefixtures("many")
def test_thousands_of_tenants_take_no_query_each(stack: Stack) -> None:
    requests, sent = list[str](), list[object]()

    class Counting(Cursor):
        @override
        def execute(self, *arguments: Any) -> None:
            sent.append(arguments[0])
            super().execute(*arguments)

    def count(session: Connection) -> None:
        session.cursor_factory = Counting

    started = time.monotonic()
    with sent_to_secrets_manager(requests), connected(count):
        found = [one for one in doctor.examine() if "filler" in one.fact]
    assert time.monotonic() - started < SECONDS
    assert len(found) > MANY, "neither their databases nor most of their roles exist"
    assert len(requests) < 300, "of thousands of secrets that seem missing, at most 100 are described"
    assert 10 < len(sent) < 100


@pytest.mark.usefixtures("stack")
def test_a_cluster_that_does_not_answer_hides_no_other_finding(stack: Stack) -> None:
    with changed_cluster(stack, port=1):
        subjects = [one.subject for one in doctor.examine()]
    assert {"control plane", "cluster local", "secrets", "service auth", "permissions"} <= set(subjects)


@contextmanager
def sent_to_secrets_manager(requests: list[str]) -> Iterator[None]:
    """Note the name of each request to Secrets Manager."""

    def note(model: Any, **_: Any) -> None:
        requests.append(model.name)

    events = secrets_manager.client().meta.events
    events.register_first("before-call.secrets-manager", note)
    try:
        yield
    finally:
        events.unregister("before-call.secrets-manager", note)


@contextmanager
def connected(note: Callable[[Connection], None]) -> Iterator[None]:
    """Note each connection to PostgreSQL."""
    real = postgres.connect

    def connect(*arguments: Any, **named: Any) -> Connection:
        opened = real(*arguments, **named)
        note(opened)
        return opened

    with patch.object(postgres, "connect", connect):
        yield
