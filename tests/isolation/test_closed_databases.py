"""A database that is opened for a removal is closed again, even if somebody locks it in between."""

from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from unittest.mock import patch

import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812

from local.stack import Stack
from provisioning.cluster import entering
from provisioning.cluster import session as sessions
from provisioning.control_plane import Cluster
from provisioning.errors import RollbackFailed
from stages.database import drop_database
from tests.isolation.conftest import Tenant, query
from tests.isolation.leaving import left_of, naming, privileges
from tests.isolation.test_pinned_roles import closed
from tests.stages.jobs import StagedJob

LIMITED = "ALTER DATABASE {own} CONNECTION LIMIT 0"


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


def test_a_database_that_is_locked_for_a_while_is_closed_after_that(
    stack: Stack, attacker: Tenant, leaving: StagedJob
) -> None:
    with closing(attacker.connect()) as session, closed(stack, attacker, LIMITED):
        before = privileges(stack, attacker.names)
        query(session, naming("GRANT SELECT ON tenant.users TO {login}", attacker.names, leaving.names))
        with locked_once_open(stack, attacker, "2500ms"):
            leaving.run(drop_database)
        assert privileges(stack, attacker.names) == before
    assert left_of(stack, leaving) == []


def test_a_database_that_stays_locked_is_named_with_what_it_had(
    stack: Stack, attacker: Tenant, leaving: StagedJob
) -> None:
    with closing(attacker.connect()) as session, closed(stack, attacker, LIMITED):
        query(session, naming("GRANT SELECT ON tenant.users TO {login}", attacker.names, leaving.names))
        with (
            patch.object(entering, "CLOSINGS", 1),
            locked_once_open(stack, attacker, "0"),
            pytest.raises(RollbackFailed, match=r"keeps tenant_.* open; before, .* CONNECTION LIMIT 0"),
        ):
            leaving.run(drop_database)
        leaving.run(drop_database)
    assert left_of(stack, leaving) == []
