"""What only waits for a lock that an admin's statement waits for is not ended: who holds the lock is."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing
from typing import Any

import psycopg2
import pytest
from psycopg2 import sql
from psycopg2.extensions import connection as Connection  # noqa: N812

from local.stack import Stack
from provisioning import control_plane, postgres
from provisioning.cluster import blocking, shared_roles
from provisioning.cluster import session as sessions
from stages.database import drop_database
from tests.executions.running import eventually
from tests.isolation.conftest import Tenant, query
from tests.isolation.leaving import left_of, naming
from tests.isolation.test_blocked_removals import left_open
from tests.stages.jobs import StagedJob, execute, lambda_environment

WAITING = "SELECT pid FROM pg_stat_activity WHERE pid = %s AND wait_event_type = 'Lock'"
Waiting = Callable[[Tenant, str], "tuple[Connection, Future[list[tuple[Any, ...]]]]"]


@pytest.fixture
def waiting(stack: Stack) -> Iterator[Waiting]:
    """Send a statement over a new session of a tenant, and return both once it waits for a lock."""
    with ExitStack() as opened, ThreadPoolExecutor() as threads:

        def send(tenant: Tenant, statement: str) -> "tuple[Connection, Future[list[tuple[Any, ...]]]]":
            session = opened.enter_context(closing(tenant.connect()))
            done = threads.submit(query, session, statement)
            assert eventually(lambda: execute(stack, "postgres", WAITING, session.info.backend_pid) != [])
            return session, done

        yield send


def test_a_reader_that_waits_ahead_of_a_removal_reads_on(
    stack: Stack, attacker: Tenant, leaving: StagedJob, waiting: Waiting
) -> None:
    with closing(attacker.connect()) as session, closing(attacker.connect()) as holder:
        users = query(session, "SELECT count(*) FROM tenant.users")
        query(session, naming("CREATE POLICY theirs ON tenant.users TO {login}", attacker.names, leaving.names))
        with left_open(holder, "LOCK TABLE tenant.users", attacker.names, leaving.names):
            readers = [waiting(attacker, "SELECT count(*) FROM tenant.users") for _ in range(3)]
            leaving.run(drop_database)
        assert [done.result() for _, done in readers] == [users] * 3
        assert [is_alive(one) for one, _ in readers] == [True] * 3
        assert not is_alive(holder)
    assert left_of(stack, leaving) == []


def test_a_tenant_that_waits_for_another_ahead_of_a_reset_is_not_ended(
    stack: Stack, attacker: Tenant, victim: Tenant, waiting: Waiting
) -> None:
    """The first that waits for a changed row holds a lock on the row, which those behind it wait for."""
    changed = "SET ROLE anon; ALTER ROLE anon SET work_mem = '{}MB'"
    with closing(attacker.connect()) as session:
        query(session, changed.format(1))
        with left_open(session, changed.format(2), attacker.names, attacker.names):
            other, done = waiting(victim, changed.format(3))
            with lambda_environment():
                (cluster,) = control_plane.connect().clusters()
                shared_roles.reset(cluster)
            try:
                done.result()
            except psycopg2.errors.InternalError_ as concurrently:
                # PostgreSQL's own answer to two changes of one row of a catalog.
                assert "tuple concurrently" in str(concurrently)  # noqa: PT017
        assert is_alive(other)
        assert not is_alive(session)
    execute(stack, "postgres", "ALTER ROLE anon RESET ALL")


@pytest.mark.parametrize("is_repeated", [False, True])
def test_a_session_is_ended_only_in_the_transaction_that_was_in_the_way(
    stack: Stack, attacker: Tenant, is_repeated: bool
) -> None:
    """A process id that was used again belongs to another transaction, too."""
    (cluster,) = control_plane.connect().clusters()
    with closing(attacker.connect()) as session, closing(sessions.connect(cluster)) as own:
        query(session, "BEGIN")
        asked = "SELECT virtualtransaction FROM pg_locks WHERE pid = pg_backend_pid() LIMIT 1"
        ((transaction,),) = query(session, asked)
        if is_repeated:
            query(session, "COMMIT")
            query(session, "BEGIN")
        admin = blocking.Admin(cluster, own, (), sql.SQL(""), blocking.is_login_of_a_tenant)
        names = {"pid": session.info.backend_pid, "role": attacker.names.login_role, "transaction": transaction}
        ended = blocking.QUERIES["end_sessions_of_blocker"]
        admin.end_as(attacker.names.login_role, postgres.composed(ended, **names))
        assert eventually(lambda: is_alive(session) == is_repeated)


def is_alive(session: Connection) -> bool:
    try:
        return query(session, "SELECT 1") == [(1,)]
    except psycopg2.OperationalError:
        return False
