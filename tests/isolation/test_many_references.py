"""However often a tenant names another's roles, their removal takes only so many locks at once."""

from collections.abc import Iterator
from contextlib import closing

import pytest

from local.postgres import MAX_CONNECTIONS, RESERVED_CONNECTIONS
from local.stack import Stack
from stages.database import drop_database
from tests.faults.test_exhausted_connections import restart
from tests.isolation.conftest import Tenant, query
from tests.isolation.leaving import left_of, naming
from tests.stages.jobs import StagedJob

pytestmark = pytest.mark.slow

MADE = """
    DO $$ BEGIN
        FOR number IN 1..200 LOOP
            EXECUTE format('CREATE TABLE tenant.named_%s ()', number);
            FOR policy IN 1..90 LOOP
                EXECUTE format('CREATE POLICY p_%s ON tenant.named_%s TO {login}', policy, number);
            END LOOP;
        END LOOP;
    END $$
"""
"""More policies than such a server has locks: 64 for each connection and prepared transaction."""


@pytest.fixture
def few_locks(stack: Stack) -> Iterator[None]:
    restart(stack, RESERVED_CONNECTIONS + 50)
    yield
    restart(stack, MAX_CONNECTIONS)


@pytest.mark.usefixtures("few_locks")
def test_more_policies_than_the_server_has_locks_hold_up_no_removal(
    stack: Stack, ally: Tenant, leaving: StagedJob
) -> None:
    with closing(ally.connect()) as session:
        query(session, naming(MADE, ally.names, leaving.names))
        leaving.run(drop_database)
        assert query(session, "SELECT count(*) FROM pg_policy WHERE polname LIKE 'p\\_%'") == [(0,)]
    assert left_of(stack, leaving) == []
