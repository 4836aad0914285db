"""A database that is opened for a removal is closed again, by whoever finds it open, and as its owner has it now."""

from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from unittest.mock import patch

import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812

from cli import doctor
from local.stack import Stack
from provisioning.cluster import entering
from provisioning.cluster import session as sessions
from provisioning.control_plane import Cluster
from provisioning.errors import RollbackFailed
from provisioning.identity import TenantNames
from provisioning.jobs.resume_project import RESUME_PROJECT
from provisioning.jobs.suspend_project import SUSPEND_PROJECT
from stages.database import create_database, drop_database
from tests.conftest import NewProject
from tests.isolation.attackers import version_of
from tests.isolation.conftest import Tenant, query
from tests.isolation.leaving import left_of, naming, privileges
from tests.isolation.test_pinned_roles import closed
from tests.stages.jobs import Died, StagedJob, at_once, execute, lambda_environment, look_again, open_job

LIMITED = "ALTER DATABASE {own} CONNECTION LIMIT 0"
CLOSED = f"{LIMITED}; REVOKE CONNECT ON DATABASE {{own}} FROM {{admin}}"
OPENED = "SELECT database FROM register.opened_databases"
PIN = "GRANT SELECT ON tenant.users TO {login}"


@contextmanager
def locked_once_open(stack: Stack, attacker: Tenant, idle: str) -> Iterator[None]:
    """Let a superuser lock the database once it is open, in a transaction that the server ends after that time."""
    real = sessions.connect

    with ExitStack() as operators:

        def connect(cluster: Cluster, dbname: str = sessions.REGISTER) -> Connection:
            connected = real(cluster, dbname)
            if dbname == attacker.names.database:
                operator = operators.enter_context(closing(stack.postgres.connect("postgres")))
                query(operator, "SELECT set_config('idle_in_transaction_session_timeout', %s, false)", idle)
                query(operator, "BEGIN")
                query(operator, naming("ALTER DATABASE {own} CONNECTION LIMIT 9", attacker.names, attacker.names))
            return connected

        with patch.object(sessions, "connect", connect):
            yield


def opened(stack: Stack) -> list[str]:
    """The databases that the register has as opened."""
    return [name for (name,) in execute(stack, sessions.REGISTER, OPENED)]


def limit_of(stack: Stack, names: TenantNames) -> int:
    asked = "SELECT datconnlimit FROM pg_database WHERE datname = %s"
    ((limit,),) = execute(stack, "postgres", asked, names.database)
    return int(limit)


def opened_and_left(stack: Stack, attacker: Tenant, session: Connection, leaving: StagedJob) -> None:
    """Let a removal's process die once it has opened the attacker's database."""
    query(session, naming(PIN, attacker.names, leaving.names))
    real = sessions.connect

    def connect(cluster: Cluster, dbname: str = sessions.REGISTER) -> Connection:
        if dbname == attacker.names.database and opened(stack):
            raise Died
        return real(cluster, dbname)

    with patch.object(sessions, "connect", connect), patch.object(entering, "CLOSINGS", 0), pytest.raises(Died):
        leaving.run(drop_database)
    assert opened(stack) == [attacker.names.database]


def test_a_database_that_is_locked_for_a_while_is_closed_after_that(
    stack: Stack, attacker: Tenant, leaving: StagedJob
) -> None:
    with closing(attacker.connect()) as session, closed(stack, attacker, CLOSED):
        before = privileges(stack, attacker.names)
        query(session, naming(PIN, attacker.names, leaving.names))
        with locked_once_open(stack, attacker, "2500ms"):
            leaving.run(drop_database)
        assert privileges(stack, attacker.names) == before
    assert (left_of(stack, leaving), opened(stack)) == ([], [])


def test_a_database_that_stays_locked_holds_up_no_removal_and_is_closed_by_reconcile(
    stack: Stack, attacker: Tenant, leaving: StagedJob
) -> None:
    with closing(attacker.connect()) as session, closed(stack, attacker, CLOSED):
        before = privileges(stack, attacker.names)
        query(session, naming(PIN, attacker.names, leaving.names))
        with patch.object(entering, "CLOSINGS", 1), locked_once_open(stack, attacker, "0"):
            leaving.run(drop_database)
            assert (left_of(stack, leaving), opened(stack)) == ([], [attacker.names.database])
            with pytest.raises(RollbackFailed, match=f"still open to the admin: {attacker.names.database}"):
                look_again(stack)
        assert look_again(stack)["repaired"] == [f"access to {attacker.names.database}"]
        assert privileges(stack, attacker.names) == before
        assert look_again(stack)["repaired"] == opened(stack) == []


def test_doctor_names_what_is_still_open_and_what_it_had(stack: Stack, attacker: Tenant, leaving: StagedJob) -> None:
    with closing(attacker.connect()) as session, closed(stack, attacker, CLOSED):
        opened_and_left(stack, attacker, session, leaving)
        assert [one for one in doctor.examine() if "still open" in one.fact] == []
        execute(stack, sessions.REGISTER, "UPDATE register.opened_databases SET opened_at = now() - interval '2 min'")
        (found,) = [one for one in doctor.examine() if "still open" in one.fact]
        had = "before: CONNECTION LIMIT 0, no CONNECT for the admin"
        assert found.fact.startswith(f"{attacker.names.database} is still open to the admin")
        assert found.fact.endswith(had)
        look_again(stack)
        assert [one for one in doctor.examine() if "still open" in one.fact] == []
    leaving.run(drop_database)


@pytest.mark.parametrize("limit", [7, -1])
def test_a_limit_that_the_owner_has_set_meanwhile_stays(
    stack: Stack, attacker: Tenant, leaving: StagedJob, limit: int
) -> None:
    with closing(attacker.connect()) as session, closed(stack, attacker, CLOSED):
        opened_and_left(stack, attacker, session, leaving)
        query(session, naming(f"ALTER DATABASE {{own}} CONNECTION LIMIT {limit}", attacker.names, leaving.names))
        look_again(stack)
        assert (limit_of(stack, attacker.names), opened(stack)) == (limit, [])
    leaving.run(drop_database)


def test_what_is_opened_twice_is_closed_as_it_was_before_the_first(
    stack: Stack, attacker: Tenant, leaving: StagedJob
) -> None:
    with closing(attacker.connect()) as session, closed(stack, attacker, CLOSED):
        before = privileges(stack, attacker.names)
        opened_and_left(stack, attacker, session, leaving)
        query(session, naming("REVOKE CONNECT ON DATABASE {own} FROM {admin}", attacker.names, leaving.names))
        leaving.run(drop_database)
        if version_of(stack) < 16:
            # The membership that the dead process has left lets the admin in, so nothing is opened a second time.
            look_again(stack)
        assert (left_of(stack, leaving), opened(stack)) == ([], [])
        assert privileges(stack, attacker.names) == before


def test_two_removals_at_once_close_a_database_as_it_was(
    stack: Stack, attacker: Tenant, leaving: StagedJob, new_project: NewProject
) -> None:
    with closing(attacker.connect()) as session, closed(stack, attacker, CLOSED):
        before = privileges(stack, attacker.names)
        other = open_job(new_project())
        other.run(create_database)
        for job in (leaving, other):
            query(session, naming(PIN, attacker.names, job.names))
        at_once(lambda: leaving.run(drop_database), lambda: other.run(drop_database))
        # The second may have found the lock taken; it then tries again.
        for job in (leaving, other):
            job.run(drop_database)
            assert left_of(stack, job) == []
        assert opened(stack) == []
        assert privileges(stack, attacker.names) == before


def test_a_suspension_finds_the_access_that_the_owner_had(stack: Stack, attacker: Tenant, leaving: StagedJob) -> None:
    with closing(attacker.connect()) as session, closed(stack, attacker, CLOSED.replace("0", "7")):
        before = privileges(stack, attacker.names)
        opened_and_left(stack, attacker, session, leaving)
        for declaration in (SUSPEND_PROJECT, RESUME_PROJECT):
            ended = stack.run({"project_id": attacker.project_id}, job_type=declaration.job_type)
            assert ended["status"] == "SUCCEEDED", ended
        leaving.run(drop_database)
        assert (privileges(stack, attacker.names), opened(stack)) == (before, [])


def test_a_database_that_was_dropped_while_it_was_open_is_forgotten(stack: Stack) -> None:
    values = "INSERT INTO register.opened_databases VALUES ('tenant_aaaaaaaaaaaaaaaaaaaa', 60, false, false)"
    execute(stack, sessions.REGISTER, values)
    with lambda_environment():
        look_again(stack)
    assert opened(stack) == []
