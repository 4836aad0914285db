"""Replication slots belong to the whole server: no tenant can reach them, and the last test shows why none may."""

from collections.abc import Iterator
from contextlib import closing

import pytest
from psycopg2 import sql

from local.stack import Stack
from tests.executions.running import execute
from tests.isolation.conftest import Tenant, query

SLOT = "of_the_victim"


@pytest.fixture
def slot(stack: Stack, victim: Tenant) -> Iterator[str]:
    """A slot in the victim's database."""
    slot = sql.Literal(SLOT)
    make = sql.SQL("SELECT pg_create_logical_replication_slot({}, 'pgoutput')").format(slot)
    execute(stack, make, victim.names.database)
    yield SLOT
    drop = "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = {}"
    execute(stack, sql.SQL(drop).format(slot))


def test_a_login_with_replication_would_drop_the_slot_of_another_tenant(
    stack: Stack, attacker: Tenant, slot: str
) -> None:
    """PostgreSQL asks for REPLICATION and not for the database: on a shared server no login may have it."""
    login = sql.Identifier(attacker.names.login_role)
    execute(stack, sql.SQL("ALTER ROLE {} REPLICATION").format(login))
    try:
        with closing(attacker.connect()) as session:
            query(session, "SET ROLE NONE")
            query(session, "SELECT pg_drop_replication_slot(%s)", slot)
    finally:
        execute(stack, sql.SQL("ALTER ROLE {} NOREPLICATION").format(login))
    assert slot not in {name for (name,) in execute(stack, "SELECT slot_name::text FROM pg_replication_slots")}
