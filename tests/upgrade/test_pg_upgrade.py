"""A cluster on PostgreSQL 15 with tenants in every state, upgraded to 18 as docs/operations.md says."""

import os
from collections.abc import Iterator
from typing import Any, NamedTuple
from unittest.mock import patch

import psycopg2
import pytest
from psycopg2 import sql

from cli.findings import Finding
from local.stack import Stack
from provisioning.jobs.resume_project import RESUME_PROJECT
from provisioning.jobs.suspend_project import SUSPEND_PROJECT
from tests.cli.mending import AS_SUPERUSER, mend
from tests.executions.stage_faults import STAGES, Fault, failing
from tests.provisioning.older_server import PROGRAMS
from tests.upgrade.pg_upgrade import NEW, Failed, Upgrade, block, findings, old_stack, query
from tests.upgrade.tenants import ROWS, WORK, as_tenant, close_the_way, open_the_way, provision, seen, tenant_of

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (PROGRAMS / "pg_upgrade").exists(), reason="there is no PostgreSQL 15"),
]

SAID_BY_DOCTOR = (
    "the server is PostgreSQL 18, registered as 15",
    "kept for the admin",
    "can use 0 of 4 creators",
)
READY = "SELECT tenant_id FROM control_plane.tenants WHERE state = 'ready'"


class World(NamedTuple):
    """The stack after its upgrade, and what was seen on the way."""

    stack: Stack
    active: str
    suspended: str
    pooled: str
    refused: dict[str, Any]
    """A suspension after the upgrade and before what doctor prints was done."""
    in_the_way: list[tuple[Any, ...]]
    checked: list[Failed]
    findings: list[Finding]
    before: dict[str, Any]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with old_stack(tmp_path_factory.mktemp("stack")) as stack:
        active, suspended = (str(provision(stack)["project_id"]) for _ in range(2))
        databases = [tenant_of(stack, one).database for one in (active, suspended)]
        for one in (active, suspended):
            as_tenant(stack, tenant_of(stack, one), WORK)
        assert stack.run({"project_id": suspended}, job_type=SUSPEND_PROJECT.job_type)["status"] == "SUCCEEDED"
        with failing(stack, STAGES["finalizing"], Fault.UNREACHED):
            assert provision(stack)["status"] == "FAILED", "its tenant waits for its last look"
        with patch.dict(os.environ, {"POOL_SIZE": "1"}):
            assert not stack.runtime.invoke("RefillPoolsFunction", "{}").failed
        ((pooled,),) = query(stack, READY, "control_plane")
        before = seen(stack, *databases)
        close_the_way(stack, databases[0])
        in_the_way = query(stack, block("sql"))
        upgrade = Upgrade(stack)
        upgrade.let_in()
        stack.postgres.stop()
        checked = upgrade.run("initdb|cp |--check")
        stack.postgres.start()
        open_the_way(stack, databases[0])
        stack.postgres.stop()
        upgrade.let_in()
        assert upgrade.run("pg_upgrade") == []
        upgrade.start_new()
        refused = stack.run({"project_id": active}, job_type=SUSPEND_PROJECT.job_type)
        found = list[Finding]()
        for finding in findings():
            found.append(finding)
            mend(stack, finding)
        rolled_back = stack.run({"rolls_back": refused["name"]}, job_type=SUSPEND_PROJECT.job_type)
        assert "rolled" in rolled_back["cause"]
        with patch.dict(os.environ, {"POOL_SIZE": "1"}):
            assert not stack.runtime.invoke("RefillPoolsFunction", "{}").failed
        yield World(stack, active, suspended, pooled, refused, in_the_way, checked, found, before)


def test_the_page_finds_what_stops_the_upgrade_before_pg_upgrade_does(world: World) -> None:
    database = tenant_of(world.stack, world.active).database
    assert {("prepared transaction", "held", database), ("closed database", database, "")} <= set(world.in_the_way)
    (failed,) = world.checked
    assert 'pg_upgrade" --check' in failed.command


def test_doctor_says_what_the_new_server_lacks_and_its_remedies_are_enough(world: World) -> None:
    facts = [one.fact for one in world.findings]
    for said in SAID_BY_DOCTOR:
        assert [one for one in facts if said in one], facts
    assert len(facts) == len(SAID_BY_DOCTOR), facts
    of_superuser = [one.fact for one in world.findings if one.remedy.startswith(AS_SUPERUSER)]
    assert [one for one in facts if "kept for the admin" in one] == of_superuser
    assert findings() == []


def test_until_then_a_suspension_fails_with_its_reason_and_changes_nothing(world: World) -> None:
    assert world.refused["error"] == "InsufficientPermissions"
    assert "see provision doctor" in world.refused["cause"]


def test_rows_rights_passwords_and_settings_are_as_before(world: World) -> None:
    databases = [tenant_of(world.stack, one).database for one in (world.active, world.suspended)]
    now = seen(world.stack, *databases)
    for name, was in world.before.items():
        for one, other in zip(now[name], was, strict=True):
            assert one == other
    assert query(world.stack, "SHOW server_version_num")[0][0].startswith("18")
    assert NEW.exists()


def test_a_tenants_login_works_and_a_suspended_ones_does_not(world: World) -> None:
    assert len(as_tenant(world.stack, tenant_of(world.stack, world.active), ROWS)) == 50
    with pytest.raises(psycopg2.OperationalError):
        as_tenant(world.stack, tenant_of(world.stack, world.suspended), ROWS)


def test_a_tenant_from_before_is_suspended_and_resumed_as_it_was(world: World) -> None:
    databases = [tenant_of(world.stack, one).database for one in (world.active, world.suspended)]
    for first, second in ((world.active, SUSPEND_PROJECT), (world.active, RESUME_PROJECT)):
        assert world.stack.run({"project_id": first}, job_type=second.job_type)["status"] == "SUCCEEDED"
    assert seen(world.stack, *databases) == world.before


def test_a_tenant_that_was_suspended_before_is_resumed_and_suspended_again(world: World) -> None:
    for declared in (RESUME_PROJECT, SUSPEND_PROJECT):
        ended = world.stack.run({"project_id": world.suspended}, job_type=declared.job_type)
        assert ended["status"] == "SUCCEEDED", ended["cause"]
        if declared is RESUME_PROJECT:
            assert len(as_tenant(world.stack, tenant_of(world.stack, world.suspended), ROWS)) == 50


def test_new_projects_are_provisioned_and_rolled_back(world: World) -> None:
    ended = provision(world.stack)
    assert ended["status"] == "SUCCEEDED"
    with failing(world.stack, STAGES["finalizing"], Fault.UNREACHED):
        failed = provision(world.stack)
    assert (failed["status"], "rolled_back" in failed["cause"]) == ("FAILED", True)


def test_the_pool_from_before_is_replaced_and_removed(world: World) -> None:
    state = "SELECT state FROM control_plane.tenants WHERE tenant_id = {}"
    assert query(world.stack, sql.SQL(state).format(sql.Literal(world.pooled)), "control_plane") == [("removing",)]
    names = sql.Literal(f"^tenant_{world.pooled}")
    left = "SELECT rolname FROM pg_roles WHERE rolname ~ {} UNION SELECT datname FROM pg_database WHERE datname ~ {}"
    assert query(world.stack, sql.SQL(left).format(names, names)) == []


def test_the_last_looks_that_were_due_find_nothing(world: World) -> None:
    query(
        world.stack, "UPDATE control_plane.tenants SET look_again_at = now() WHERE state = 'removing'", "control_plane"
    )
    assert not world.stack.runtime.invoke("ReconcileFunction", "{}").failed
    left = "SELECT count(*) FROM control_plane.tenants WHERE state = 'removing' AND removed_at IS NULL"
    assert query(world.stack, left, "control_plane") == [(0,)]
