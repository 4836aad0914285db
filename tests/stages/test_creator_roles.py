"""The creators of tenants' roles: each has its share, so that what the admin does stays as quick with many tenants."""

from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from unittest.mock import patch

import pytest
from psycopg2 import sql

from local.bootstrap import ADMIN
from local.stack import Stack
from provisioning import creator_roles, tenant_schema
from provisioning.cluster import SHARED_ROLES, prepare_cluster
from provisioning.naming import tenant_names
from stages.create_database import create_database, drop_database
from stages.create_schema import create_schema
from tests.conftest import NewProject
from tests.stages.jobs import Died, StagedJob, dying, execute, open_job, refilled

MEMBERS = """
    SELECT member::regrole::text, admin_option, inherit_option, set_option FROM pg_auth_members
    WHERE roleid = %s::regrole ORDER BY 1, 2
"""
MAY_BECOME = "SELECT rolname::text FROM pg_roles WHERE pg_has_role(%s, oid, 'SET') AND starts_with(rolname, %s)"
POWERS = "SELECT DISTINCT rolcanlogin, rolsuper, rolbypassrls FROM pg_roles WHERE starts_with(rolname, %s)"


def memberships(stack: Stack, role: str) -> list[tuple[str, bool, bool, bool]]:
    """Returns who is a member of the role: member, with ADMIN, with INHERIT, with SET."""
    return execute(stack, "postgres", MEMBERS, role)


@contextmanager
def without_creators() -> Iterator[None]:
    """A server as it was prepared before there were creators."""
    with patch.object(creator_roles, "creator_of", lambda owner_role: f"nobody_{owner_role}"[:63]):
        yield


@pytest.fixture(params=["from the pool", "from the template", "from nothing"])
def made(stack: Stack, new_project: NewProject, request: pytest.FixtureRequest) -> Iterator[StagedJob]:
    """A tenant whose database and schema are there, by each of the ways to make them."""
    if request.param == "from nothing":
        yield _made(new_project)
        return
    with refilled(stack):
        if request.param == "from the template":
            _made(new_project)
        yield _made(new_project)


def _made(new_project: NewProject) -> StagedJob:
    job = open_job(new_project())
    job.run(create_database)
    job.run(create_schema)
    return job


def test_a_tenants_roles_have_a_creator_who_owns_them_and_may_not_become_them_any_more(
    stack: Stack, made: StagedJob
) -> None:
    for role in (made.names.owner_role, made.names.login_role):
        members = [member for member in memberships(stack, role) if member[0] != made.names.login_role]
        ((creator, *_), _) = members
        assert members == [(creator, False, True, False), (creator, True, False, False)]
        assert creator_roles.is_creator(creator)


def test_the_admin_may_become_its_creators_and_no_tenant(stack: Stack, made: StagedJob) -> None:
    assert execute(stack, "postgres", MAY_BECOME, ADMIN, made.names.database) == []
    assert len(execute(stack, "postgres", MAY_BECOME, ADMIN, creator_roles.PREFIX)) == creator_roles.NUMBER


def test_nobody_logs_in_as_a_creator_and_it_has_no_right_of_a_shared_role(stack: Stack) -> None:
    assert execute(stack, "postgres", POWERS, creator_roles.PREFIX) == [(False, False, False)]
    for role in SHARED_ROLES:
        granted = [member for member in memberships(stack, role) if creator_roles.is_creator(member[0])]
        assert {member[1:] for member in granted} == {(True, False, False)}


def test_a_share_is_about_as_large_as_any_other() -> None:
    owners = [tenant_names(f"project-{number}").owner_role for number in range(3000)]
    shares = Counter(creator_roles.creator_of(owner) for owner in owners)
    assert len(shares) == creator_roles.NUMBER
    assert max(shares.values()) < 3 * 3000 / creator_roles.NUMBER


def test_an_attempt_that_died_after_the_schema_was_made_is_made_again(new_project: NewProject) -> None:
    job = open_job(new_project())
    job.run(create_database)
    with dying(tenant_schema, "complete", after=True), pytest.raises(Died):
        job.run(create_schema)
    assert job.run(create_schema)["schema"] == "tenant"


def test_a_tenant_of_before_the_creators_is_taken_up_and_dropped_by_the_admin(
    stack: Stack, new_project: NewProject
) -> None:
    with without_creators():
        job = _made(new_project)
    assert {member for member, *_ in memberships(stack, job.names.owner_role)} == {ADMIN, job.names.login_role}
    assert {job.names.database, job.names.owner_role, job.names.login_role} <= {*job.run(drop_database)["removed"]}


def test_an_entry_of_before_the_creators_is_claimed_by_the_admin(stack: Stack, new_project: NewProject) -> None:
    with ExitStack() as pool:
        with without_creators():
            pool.enter_context(refilled(stack))
        job = _made(new_project)
    assert {member for member, *_ in memberships(stack, job.names.owner_role)} == {ADMIN, job.names.login_role}


def test_an_admin_that_may_not_become_the_creator_acts_itself_until_the_cluster_is_prepared_for_it(
    stack: Stack, new_project: NewProject
) -> None:
    project_id = new_project()
    creator = creator_roles.creator_of(tenant_names(project_id).owner_role)
    with closing(stack.postgres.connect("postgres")) as superuser, superuser.cursor() as cursor:
        cursor.execute(sql.SQL("REVOKE {} FROM {}").format(sql.Identifier(creator), sql.Identifier(ADMIN)))
        try:
            job = _made(lambda: project_id)
        finally:
            prepare_cluster(superuser, ADMIN)
    assert {member for member, *_ in memberships(stack, job.names.owner_role)} == {ADMIN, job.names.login_role}
    assert len(execute(stack, "postgres", MAY_BECOME, ADMIN, creator_roles.PREFIX)) == creator_roles.NUMBER


@contextmanager
def without_inheriting_from(stack: Stack, creator: str) -> Iterator[None]:
    """The admin has no right of the creator's, nor of its tenants, unless it becomes the creator."""
    roles = {"creator": sql.Identifier(creator), "admin": sql.Identifier(ADMIN)}
    with closing(stack.postgres.connect("postgres")) as superuser, superuser.cursor() as cursor:
        cursor.execute(sql.SQL("GRANT {creator} TO {admin} WITH INHERIT FALSE").format(**roles))
        try:
            yield
        finally:
            cursor.execute(sql.SQL("GRANT {creator} TO {admin} WITH INHERIT TRUE").format(**roles))


def test_a_clone_is_made_and_handed_over_without_what_the_admin_inherits(stack: Stack, new_project: NewProject) -> None:
    # To find out what it inherits, PostgreSQL would go through the roles of all tenants.
    project_id = new_project()
    with refilled(stack):
        _made(new_project)
        with without_inheriting_from(stack, creator_roles.creator_of(tenant_names(project_id).owner_role)):
            job = _made(lambda: project_id)
    assert job.run(drop_database)["removed"]


def test_preparing_a_cluster_again_gives_a_creator_the_rights_of_the_object_role(stack: Stack) -> None:
    creator, objects = f"{creator_roles.PREFIX}0", creator_roles.OBJECT_ROLE
    roles = sql.Identifier(objects), sql.Identifier(creator)
    with closing(stack.postgres.connect("postgres")) as superuser, superuser.cursor() as cursor:
        cursor.execute(sql.SQL("REVOKE {} FROM {}").format(*roles))
        prepare_cluster(superuser, ADMIN)
    assert [member[1:] for member in memberships(stack, objects) if member[0] == creator] == [(False, True, False)]
