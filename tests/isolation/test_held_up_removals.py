"""One tenant can hold up the removal of another until an operator ends its session or revokes its grant."""

import re
from collections.abc import Iterator
from contextlib import closing

import pytest
from psycopg2 import sql
from psycopg2.extensions import connection as Connection  # noqa: N812

from local.stack import Stack
from local.template import REPOSITORY
from provisioning import control_plane
from provisioning.cluster import session as sessions
from provisioning.errors import RollbackFailed, StatementRejected
from stages.database import create_database, drop_database
from tests.conftest import NewProject
from tests.executions.running import execute
from tests.isolation.conftest import Tenant, query
from tests.stages.jobs import StagedJob, lambda_environment, look_again, open_job

PAGE = (REPOSITORY / "docs" / "operations.md").read_text()
((SESSIONS, GRANTS),) = re.findall(r"```sql\n(SELECT pid, .*?;)\n(.*?;)\n```", PAGE, re.DOTALL)
"""The page's queries that show an operator who holds up a removal."""


@pytest.fixture
def leaving(new_project: NewProject, monkeypatch: pytest.MonkeyPatch) -> Iterator[StagedJob]:
    """A job with a database, for which no statement on the cluster waits longer than a second."""
    monkeypatch.setattr(sessions, "STATEMENT_TIMEOUT_SECONDS", 1)
    with lambda_environment():
        job = open_job(new_project())
        job.run(create_database)
        yield job


def test_an_open_transaction_that_names_a_database_holds_up_its_removal(
    stack: Stack, attacker: Tenant, leaving: StagedJob
) -> None:
    setting = sql.SQL("ALTER ROLE CURRENT_USER IN DATABASE {} SET work_mem = '4MB'")
    database = leaving.names.database
    with closing(attacker.connect()) as transaction:
        transaction.autocommit = False
        query(transaction, setting.format(sql.Identifier(database)))
        with pytest.raises(RollbackFailed, match="statement timeout"):
            leaving.run(drop_database)
        found = execute(stack, SESSIONS)
        assert (transaction.info.backend_pid, attacker.names.login_role, database) in found
        execute(stack, sql.SQL("SELECT pg_terminate_backend({}, 5000)").format(sql.Literal(found[0][0])))
    assert database in leaving.run(drop_database)["removed"]


def test_a_grant_to_a_role_of_another_tenants_holds_up_its_removal(
    stack: Stack, attacker: Tenant, session: Connection, leaving: StagedJob
) -> None:
    role = leaving.names.login_role
    query(session, sql.SQL("GRANT SELECT ON tenant.users TO {}").format(sql.Identifier(role)))
    with pytest.raises(StatementRejected, match="cannot be dropped because some objects depend on it"):
        leaving.run(drop_database)
    assert leaving.record_failure({})["outcome"] == "rollback_incomplete"
    assert execute(stack, GRANTS) == [(attacker.names.database, role)]
    with pytest.raises(StatementRejected, match="cannot be dropped"):
        look_again(stack, leaving.tenant_id)
    revoke_as_admin(attacker, role)
    assert execute(stack, GRANTS) == []
    look_again(stack, leaving.tenant_id)
    assert execute(stack, sql.SQL("SELECT FROM pg_roles WHERE rolname = {}").format(sql.Literal(role))) == []


def revoke_as_admin(attacker: Tenant, role: str) -> None:
    """Revoke the grant as the page says: the admin becomes the owner's creator, and then the owner."""
    (cluster,) = control_plane.connect().clusters()
    owner = sql.Identifier(attacker.names.owner_role)
    with closing(sessions.connect(cluster, attacker.names.database)) as admin:
        ((creator,),) = query(
            admin,
            "SELECT pg_get_userbyid(member) FROM pg_auth_members WHERE roleid = %s::regrole AND admin_option",
            attacker.names.owner_role,
        )
        become = sql.SQL("SET ROLE {}").format(sql.Identifier(creator))
        query(admin, become)
        query(admin, sql.SQL("GRANT {} TO CURRENT_USER").format(owner))
        query(admin, sql.SQL("SET ROLE {}").format(owner))
        query(admin, sql.SQL("REVOKE SELECT ON tenant.users FROM {}").format(sql.Identifier(role)))
        query(admin, become)
        query(admin, sql.SQL("REVOKE {} FROM CURRENT_USER").format(owner))
