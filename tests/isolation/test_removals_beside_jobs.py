"""A removal acts as another tenant's roles only while no job of that tenant does: both have one membership for it."""

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, nullcontext, suppress
from unittest.mock import patch

import pytest
from psycopg2 import sql
from psycopg2.extensions import connection as Connection  # noqa: N812

from local.bootstrap import ADMIN
from local.stack import Stack
from provisioning.cluster import acting, creators, register
from provisioning.cluster.session import REGISTER
from provisioning.errors import RollbackFailed
from provisioning.identity import TenantNames
from provisioning.tenant import dependencies
from stages.database import create_database, drop_database
from tests.conftest import NewProject
from tests.isolation.attackers import version_of
from tests.isolation.conftest import Tenant, query
from tests.isolation.leaving import left_of, naming
from tests.isolation.test_blocked_removals import logged_in
from tests.isolation.test_pinned_roles import closed
from tests.stages.jobs import StagedJob, execute, lambda_environment, open_job

MEMBERS = """
    SELECT roleid::regrole::text, member::regrole::text, grantor::regrole::text
    FROM pg_auth_members WHERE roleid::regrole::text IN (%s, %s) ORDER BY 1, 2, 3
"""
LOCKED = "SELECT pg_try_advisory_lock(hashtextextended(%s, 0))"
FILL = "UPDATE register.creators SET tenants = tenants + %s WHERE (name = %s) <> %s"


def members(stack: Stack, names: TenantNames) -> list[tuple[str, str, str]]:
    """Every membership in a tenant's roles: role, member, grantor."""
    return execute(stack, "postgres", MEMBERS, names.owner_role, names.login_role)


@contextmanager
def made(stack: Stack, new_project: NewProject, beside: Tenant, *, has_same_creator: bool) -> Iterator[StagedJob]:
    """A tenant that is about to be removed, whose roles have the other's creator or another one."""
    creator = next((one for _, one, _ in members(stack, beside.names) if creators.is_creator(one)), "")
    execute(stack, REGISTER, FILL, 1000, creator, has_same_creator)
    with lambda_environment():
        job = open_job(new_project())
        job.run(create_database)
        # The creator that was made meanwhile has one tenant.
        execute(stack, REGISTER, FILL + " AND tenants >= 1000", -1000, creator, has_same_creator)
        yield job


@contextmanager
def at_work(stack: Stack, names: TenantNames) -> Iterator[None]:
    """A job of a tenant that holds its lock and may act as its roles, and has not lost that at the end."""
    with closing(stack.postgres.connect(REGISTER)) as session:
        query(session, sql.SQL("SET SESSION AUTHORIZATION {}").format(sql.Identifier(ADMIN)))
        register.lock(session, names)
        with acting.joined(session, [names.owner_role, names.login_role]):
            before = members(stack, names)
            yield
            assert members(stack, names) == before


@pytest.fixture
def leaving(stack: Stack, attacker: Tenant, new_project: NewProject) -> Iterator[StagedJob]:
    with made(stack, new_project, attacker, has_same_creator=True) as job:
        yield job


def test_a_grant_is_revoked_without_the_membership_of_its_tenants_job(
    stack: Stack, attacker: Tenant, leaving: StagedJob
) -> None:
    with closing(attacker.connect()) as session:
        query(session, naming("GRANT SELECT ON tenant.users TO {login}", attacker.names, leaving.names))
    # With the same creator the job's own membership suffices.
    with at_work(stack, attacker.names), suppress(RollbackFailed):
        leaving.run(drop_database)
    leaving.run(drop_database)
    assert left_of(stack, leaving) == []


def test_a_grant_by_a_tenant_whose_job_is_at_work_holds_up_a_removal_until_then(
    stack: Stack, attacker: Tenant, new_project: NewProject
) -> None:
    with made(stack, new_project, attacker, has_same_creator=False) as leaving:
        with closing(attacker.connect()) as session:
            query(session, naming("GRANT SELECT ON tenant.users TO {login}", attacker.names, leaving.names))
        held_up = f"are held up by {attacker.names.database}"
        # Before 16 the admin is the creator of both, whose own membership suffices.
        refused = nullcontext() if version_of(stack) < 16 else pytest.raises(RollbackFailed, match=held_up)
        with at_work(stack, attacker.names), refused:
            leaving.run(drop_database)
        leaving.run(drop_database)
        assert left_of(stack, leaving) == []


def test_the_lock_of_a_closed_database_is_free_while_a_removal_is_inside(
    stack: Stack, attacker: Tenant, leaving: StagedJob
) -> None:
    """A job of that tenant would otherwise end the removal's session."""
    real, free = dependencies.find, list[bool]()

    def looking(session: Connection, roles: Sequence[str]) -> list[str]:
        if session.info.dbname == attacker.names.database:
            ((is_free,),) = execute(stack, REGISTER, LOCKED, attacker.names.tenant_id)
            free.append(is_free)
        return real(session, roles)

    with closing(attacker.connect()) as session:
        query(session, naming("GRANT SELECT ON tenant.users TO {login}", attacker.names, leaving.names))
        limited = closed(stack, attacker, "ALTER DATABASE {own} CONNECTION LIMIT 0")
        with limited, patch.object(dependencies, "find", looking):
            leaving.run(drop_database)
    assert set(free) == {True}
    assert left_of(stack, leaving) == []


def test_an_open_transaction_is_ended_without_the_membership_of_its_tenants_job(
    stack: Stack, attacker: Tenant, leaving: StagedJob
) -> None:
    with closing(attacker.connect()) as session:
        query(session, "BEGIN")
        query(session, naming("GRANT SELECT ON tenant.users TO {login}", attacker.names, leaving.names))
        with at_work(stack, attacker.names):
            leaving.run(drop_database)
    assert left_of(stack, leaving) == []


def test_what_a_guest_has_prepared_whose_tenants_job_is_at_work_is_rolled_back_after_it(
    stack: Stack, attacker: Tenant, leaving: StagedJob
) -> None:
    with closing(logged_in(leaving)) as owner:
        query(owner, naming("GRANT CONNECT ON DATABASE {own} TO {login}", leaving.names, attacker.names))
        owner.commit()
    with closing(attacker.connect(leaving.names.database)) as guest:
        query(guest, "BEGIN")
        query(guest, "SELECT txid_current()")
        query(guest, "PREPARE TRANSACTION 'theirs'")
    with at_work(stack, attacker.names), pytest.raises(RollbackFailed, match="in the way of the removal"):
        leaving.run(drop_database)
    leaving.run(drop_database)
    assert left_of(stack, leaving) == [] == execute(stack, "postgres", "SELECT gid FROM pg_prepared_xacts")
