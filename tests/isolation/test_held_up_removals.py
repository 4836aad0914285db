"""What two tenants can still hold up together: two roles that can do nothing, until one of them lets go of them."""

import re
from collections.abc import Iterator
from contextlib import closing

import psycopg2
import pytest
from psycopg2 import sql
from psycopg2.extensions import connection as Connection  # noqa: N812

from local.stack import Stack
from local.template import REPOSITORY
from provisioning.aws import secrets
from provisioning.errors import RollbackFailed
from stages.database import drop_database
from tests.executions.looking import look
from tests.executions.running import execute
from tests.isolation.conftest import Tenant, query
from tests.isolation.leaving import left_of, naming, privileges
from tests.stages.jobs import StagedJob, look_again

PAGE = (REPOSITORY / "docs" / "operations.md").read_text()
((WHAT,),) = (re.findall(r"```sql\n(SELECT pg_describe_object.*?;)\n```", PAGE, re.DOTALL),)
"""The page's query that shows an operator what holds up a removal."""


@pytest.fixture
def held(stack: Stack, attacker: Tenant, session: Connection, leaving: StagedJob) -> Iterator[StagedJob]:
    """A tenant that was let in has a table there, on which a view of the other depends."""
    document = secrets.read(leaving.names.secret)
    query(session, naming("GRANT CONNECT, CREATE ON DATABASE {own} TO {login}", attacker.names, leaving.names))
    with closing(
        psycopg2.connect(
            host=document["host"],
            port=document["port"],
            dbname=attacker.names.database,
            user=document["username"],
            password=document["password"],
        )
    ) as guest:
        guest.autocommit = True
        query(guest, "CREATE SCHEMA theirs; CREATE TABLE theirs.kept ()")
        query(guest, "GRANT USAGE ON SCHEMA theirs TO PUBLIC; GRANT SELECT ON theirs.kept TO PUBLIC")
    query(session, "CREATE VIEW tenant.depends AS SELECT * FROM theirs.kept")
    yield leaving
    query(session, "DROP VIEW IF EXISTS tenant.depends")
    execute(stack, "DROP SCHEMA IF EXISTS theirs CASCADE", attacker.names.database)
    leaving.run(drop_database)


def test_roles_that_cannot_be_dropped_are_left_without_any_power(
    stack: Stack, attacker: Tenant, held: StagedJob
) -> None:
    before = privileges(stack, attacker.names)
    with pytest.raises(RollbackFailed, match=f"are held up by {attacker.names.database}"):
        held.run(drop_database)
    assert left_of(stack, held) == [
        (held.names.login_role, False, False, []),
        (held.names.owner_role, False, False, []),
    ]
    world = look(stack, held.project_id)
    assert (world.databases, world.secrets) == ([], [])
    (row,) = world.tenants
    assert (row["state"], row["held_up"], row["removed_at"]) == ("removing", attacker.names.database, None)
    assert privileges(stack, attacker.names) == before
    assert ("schema theirs", held.names.login_role) in execute(stack, WHAT, attacker.names.database)


def test_the_jobs_ending_names_the_database_and_reconcile_finishes(
    stack: Stack, attacker: Tenant, session: Connection, held: StagedJob
) -> None:
    with pytest.raises(RollbackFailed):
        held.run(drop_database)
    ending = held.record_failure({})
    assert ending["outcome"] == "rollback_incomplete"
    assert f"roles of {held.names.database}, which are held up by {attacker.names.database}" in ending["cause"]
    with pytest.raises(RollbackFailed, match="are held up by"):
        look_again(stack, held.tenant_id)
    query(session, "DROP VIEW tenant.depends")
    look_again(stack, held.tenant_id)
    assert left_of(stack, held) == []
    assert held.tenant_id in look_again(stack, held.tenant_id)["finished"]
    assert [row["held_up"] for row in look(stack, held.project_id).tenants] == [None]


def test_a_database_that_is_no_tenants_is_named_and_not_entered(stack: Stack, leaving: StagedJob) -> None:
    login = sql.Identifier(leaving.names.login_role)
    execute(stack, sql.SQL("CREATE SCHEMA of_an_operator; GRANT USAGE ON SCHEMA of_an_operator TO {}").format(login))
    with pytest.raises(RollbackFailed, match="are held up by postgres"):
        leaving.run(drop_database)
    execute(stack, "DROP SCHEMA of_an_operator")
    assert set(leaving.run(drop_database)["removed"]) == {leaving.names.login_role, leaving.names.owner_role}
