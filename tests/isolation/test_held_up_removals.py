"""What one tenant can do against the removal of another: hold it up, until somebody ends what holds it."""

from collections.abc import Iterator
from contextlib import closing

import pytest
from psycopg2 import sql

from local.bootstrap import ADMIN
from local.stack import Stack
from provisioning.errors import StatementRejected
from stages.create_database import create_database, drop_database
from tests.conftest import NewProject
from tests.executions.running import execute
from tests.isolation.conftest import Tenant, query
from tests.stages.jobs import StagedJob, lambda_environment, open_job


@pytest.fixture
def leaving(stack: Stack, new_project: NewProject) -> Iterator[StagedJob]:
    """A job with a database, whose platform's sessions would rather fail than wait for a lock."""
    timeout = sql.SQL("ALTER ROLE {} {}")
    execute(stack, timeout.format(sql.Identifier(ADMIN), sql.SQL("SET lock_timeout = '50ms'")))
    with lambda_environment():
        job = open_job(new_project())
        job.run(create_database)
        yield job
    execute(stack, timeout.format(sql.Identifier(ADMIN), sql.SQL("RESET lock_timeout")))


def test_an_open_transaction_that_names_a_database_holds_up_its_removal(
    stack: Stack, attacker: Tenant, leaving: StagedJob
) -> None:
    setting = sql.SQL("ALTER ROLE CURRENT_USER IN DATABASE {} SET work_mem = '4MB'")
    with closing(attacker.connect()) as transaction:
        transaction.autocommit = False
        query(transaction, setting.format(sql.Identifier(leaving.names.database)))
        with pytest.raises(StatementRejected, match="lock timeout"):
            leaving.run(drop_database)
    assert leaving.names.database in leaving.run(drop_database)["removed"]


def test_a_grant_to_a_role_of_another_tenants_holds_up_its_removal(
    stack: Stack, attacker: Tenant, leaving: StagedJob
) -> None:
    role = sql.Identifier(leaving.names.login_role)
    with closing(attacker.connect()) as session:
        query(session, sql.SQL("GRANT SELECT ON tenant.users TO {}").format(role))
        with pytest.raises(StatementRejected, match="cannot be dropped because some objects depend on it"):
            leaving.run(drop_database)
        query(session, sql.SQL("REVOKE SELECT ON tenant.users FROM {}").format(role))
    assert leaving.names.login_role in leaving.run(drop_database)["removed"]
