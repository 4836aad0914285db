"""The creators of tenants' roles: each has a share that does not grow, so the admin does not become slower."""

from collections.abc import Iterator
from unittest.mock import patch

import pytest
from psycopg2 import sql

from local.bootstrap import ADMIN
from local.stack import Stack
from provisioning.cluster import creators
from provisioning.cluster.preparation import prepare_cluster
from provisioning.cluster.session import REGISTER
from provisioning.errors import RollbackFailed, StatementRejected
from stages.database import create_database, drop_database
from stages.schema import create_schema
from tests.conftest import NewProject
from tests.executions.looking import look
from tests.stages.jobs import Died, StagedJob, at_once, execute, open_job, refilled
from tests.stages.test_create_database import dying_before

MEMBERS = """
    SELECT member::regrole::text, admin_option, inherit_option, set_option FROM pg_auth_members
    WHERE roleid = %s::regrole ORDER BY 1, 2
"""
MAY_BECOME = """
    SELECT rolname::text FROM pg_roles
    WHERE starts_with(rolname, %s) AND (pg_has_role(%s, oid, 'SET') OR pg_has_role(%s, oid, 'USAGE'))
"""
POWERS = "SELECT DISTINCT rolcanlogin, rolsuper, rolbypassrls FROM pg_roles WHERE starts_with(rolname, %s)"
COUNTS = "SELECT name, tenants FROM register.creators"
RECOUNT = """
    UPDATE register.creators SET tenants = (
        SELECT count(*) FROM pg_auth_members JOIN pg_roles ON pg_roles.oid = roleid
        WHERE member = to_regrole(name) AND admin_option AND rolname ~ '^tenant_[a-z]{20}_owner$')
"""


@pytest.fixture(autouse=True)
def since_16(stack: Stack) -> None:
    """A server before 16 has no creators: the admin grants every role itself (tests/provisioning/test_repair.py)."""
    if execute(stack, "postgres", "SELECT current_setting('server_version_num')::integer")[0][0] < creators.SINCE:
        pytest.skip("a server before 16 has no creators")


def memberships(stack: Stack, role: str) -> list[tuple[str, bool, bool, bool]]:
    """Return who is a member of the role: member, with ADMIN, with INHERIT, with SET."""
    return execute(stack, "postgres", MEMBERS, role)


def creator_of(stack: Stack, job: StagedJob) -> str:
    """Return who may grant the tenant's owner role: its creator."""
    (creator,) = [member for member, grants, *_ in memberships(stack, job.names.owner_role) if grants]
    return creator


def counts(stack: Stack) -> dict[str, int]:
    return dict(execute(stack, REGISTER, COUNTS))


def made(new_project: NewProject) -> StagedJob:
    job = open_job(new_project())
    job.run(create_database)
    job.run(create_schema)
    return job


@pytest.fixture
def full(stack: Stack) -> Iterator[None]:
    """Every creator has its share."""
    execute(stack, REGISTER, "UPDATE register.creators SET tenants = %s", creators.SHARE)
    yield
    execute(stack, REGISTER, RECOUNT)


@pytest.mark.parametrize("entries", [0, 1], ids=["made by a job", "of the pool"])
def test_a_tenants_roles_have_a_creator_who_may_not_become_them_any_more(
    stack: Stack, new_project: NewProject, entries: int
) -> None:
    with refilled(stack, entries):
        job = made(new_project)
    for role in (job.names.owner_role, job.names.login_role):
        members = [member for member in memberships(stack, role) if member[0] != job.names.login_role]
        assert members == [(creator_of(stack, job), True, False, False)]
        assert creators.is_creator(members[0][0])


def test_the_admin_may_become_its_creators_and_no_tenant(stack: Stack, new_project: NewProject) -> None:
    job = made(new_project)
    assert execute(stack, "postgres", MAY_BECOME, job.names.database, ADMIN, ADMIN) == []
    became = execute(stack, "postgres", MAY_BECOME, creators.PREFIX, ADMIN, ADMIN)
    assert {name for (name,) in became} == set(counts(stack))


def test_nobody_logs_in_as_a_creator_and_it_has_no_right_of_a_shared_role(stack: Stack) -> None:
    assert execute(stack, "postgres", POWERS, creators.PREFIX) == [(False, False, False)]
    for role in creators.SHARED_ROLES:
        granted = [member for member in memberships(stack, role) if creators.is_creator(member[0])]
        assert {member[1:] for member in granted} == {(True, False, False)}


@pytest.mark.usefixtures("full")
def test_a_new_creator_is_made_once_every_other_has_its_share(stack: Stack, new_project: NewProject) -> None:
    before = counts(stack)
    job = made(new_project)
    after = counts(stack)
    assert set(after) - set(before) == {creator_of(stack, job)}
    assert after[creator_of(stack, job)] == 1
    assert {name: after[name] for name in before} == before


@pytest.mark.usefixtures("full")
def test_a_creator_with_room_for_one_takes_one(stack: Stack, new_project: NewProject) -> None:
    (name, *_) = counts(stack)
    execute(stack, REGISTER, "UPDATE register.creators SET tenants = tenants - 1 WHERE name = %s", name)
    assert [creator_of(stack, made(new_project)) == name for _ in range(2)] == [True, False]
    assert counts(stack)[name] == creators.SHARE


def test_jobs_at_once_are_all_counted(stack: Stack, new_project: NewProject) -> None:
    before = sum(counts(stack).values())
    jobs = [open_job(new_project()) for _ in range(4)]
    outcomes = at_once(*[lambda job=job: job.run(create_database) for job in jobs])
    assert [type(outcome) for outcome in outcomes] == [dict] * 4
    assert sum(counts(stack).values()) == before + 4
    assert look(stack, jobs[0].project_id).dangling == []


def test_a_tenant_is_counted_with_its_roles_and_freed_with_them(stack: Stack, job: StagedJob) -> None:
    before = counts(stack)
    with dying_before("make_database"), pytest.raises(Died):
        job.run(create_database)
    creator = creator_of(stack, job)
    assert counts(stack) == {**before, creator: before[creator] + 1}
    job.run(create_database)
    assert counts(stack) == {**before, creator: before[creator] + 1}, "taken up, not counted again"
    job.run(drop_database)
    assert counts(stack) == before


def test_roles_that_could_not_be_made_are_not_counted(stack: Stack, job: StagedJob) -> None:
    before, login = counts(stack), sql.Identifier(job.names.login_role)
    execute(stack, "postgres", sql.SQL("CREATE ROLE {}").format(login))
    with pytest.raises(StatementRejected):
        job.run(create_database)
    assert counts(stack) == before
    assert [role["name"] for role in look(stack, job.project_id).roles] == [job.names.login_role]
    execute(stack, "postgres", sql.SQL("DROP ROLE {}").format(login))


def test_roles_that_could_not_be_dropped_stay_counted(stack: Stack, job: StagedJob) -> None:
    job.run(create_database)
    before, owned = counts(stack), sql.Identifier(f"owned_{job.tenant_id}")
    login = sql.Identifier(job.names.login_role)
    execute(stack, "postgres", sql.SQL("CREATE SCHEMA {} AUTHORIZATION {}").format(owned, login))
    with pytest.raises(RollbackFailed, match="held up by postgres"):
        job.run(drop_database)
    assert counts(stack) == before
    execute(stack, "postgres", sql.SQL("DROP SCHEMA {}").format(owned))
    assert job.run(drop_database)["removed"] == [job.names.login_role, job.names.owner_role]


@pytest.mark.parametrize("dropped_by", ["the admin", "a server that has creators by now"])
def test_without_creators_the_admin_makes_and_drops_the_roles_itself(
    stack: Stack, new_project: NewProject, dropped_by: str
) -> None:
    before = counts(stack)
    with patch.object(creators, "SINCE", 990000):
        job = made(new_project)
        assert creator_of(stack, job) == ADMIN
        assert execute(stack, "postgres", MAY_BECOME, job.names.database, ADMIN, ADMIN) == []
        if dropped_by == "the admin":
            job.run(drop_database)
    job.run(drop_database)
    assert look(stack, job.project_id).roles == []
    assert counts(stack) == before


def test_preparing_a_cluster_again_changes_nothing(stack: Stack, new_project: NewProject) -> None:
    job = made(new_project)
    before, registered = counts(stack), look(stack, job.project_id).registered
    prepare_cluster(stack.postgres.connect, ADMIN)
    assert counts(stack) == before
    assert look(stack, job.project_id).registered == registered
