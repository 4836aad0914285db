"""look() is a test only if it detects every change that it is meant to detect."""

from contextlib import closing

import pytest
from psycopg2 import sql

from local.stack import Stack
from tests.executions.looking import REGISTER, SECRETS
from tests.executions.running import SERVICES, execute, payload_for, run
from tests.executions.stage_faults import STAGES, Fault, failing
from tests.executions.tampering import TAMPERED
from tests.executions.worlds import look, problems_of_gone, problems_of_provisioned, problems_of_rolled_back


@pytest.mark.slow
def test_everything_that_is_wrong_with_a_provisioned_project_is_seen(stack: Stack, project_id: str) -> None:
    payload = payload_for(project_id, "auth", "storage")
    run(stack, payload)
    seen = problems_of_provisioned(look(stack, project_id), payload)
    assert seen == []
    for name, tamper in TAMPERED.items():
        tamper(stack, look(stack, project_id))
        now = problems_of_provisioned(look(stack, project_id), payload)
        assert set(now) - set(seen), f"{name} is not seen"
        seen = now


def test_a_payload_that_asked_for_more_or_less_is_seen(stack: Stack, project_id: str) -> None:
    run(stack, payload_for(project_id, "auth", api_keys={"count": 2}))
    world = look(stack, project_id)
    assert problems_of_provisioned(world, payload_for(project_id, "auth")) == []
    for other in (payload_for(project_id), payload_for(project_id, *SERVICES)):
        assert problems_of_provisioned(world, other) != []
    assert problems_of_provisioned(world, payload_for(project_id, "auth", api_keys={"count": 3})) != []


def test_everything_that_a_rollback_could_leave_is_seen(stack: Stack, project_id: str) -> None:
    run(stack, payload_for(project_id, *SERVICES))
    text = "\n".join(problems_of_rolled_back(look(stack, project_id)))
    left = [
        *("databases", "roles", "secrets", "registrations", "tenants"),
        *("service_registrations", "api_keys"),
    ]
    assert [kind for kind in left if f"{kind} left" not in text] == []


def test_a_lock_that_is_held_is_seen(stack: Stack, project_id: str) -> None:
    ran = run(stack, payload_for(project_id))
    with closing(stack.postgres.connect("control_plane")) as holder, holder.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(hashtextextended(%s, 0))", (f"{ran.job_id}/finalizing",))
        assert look(stack, project_id).locks == [f"{ran.job_id}/finalizing"]


def test_what_the_last_look_has_to_end_is_seen(stack: Stack, project_id: str) -> None:
    with failing(stack, STAGES["finalizing"], Fault.ERROR):
        run(stack, payload_for(project_id, "auth"))
    world = look(stack, project_id)
    assert problems_of_rolled_back(world) == []
    tenant_id = world.tenants[0]["tenant_id"]
    assert problems_of_gone(world) == [
        f"tenant {tenant_id} is removing",
        f"the register has {tenant_id} as removing",
        "record of a registration with auth",
        f"record of the keys of {tenant_id}",
    ]


@pytest.mark.parametrize(
    "changes",
    [
        "state = 'disputed'",
        "state = 'ready', job_id = NULL, project_id = NULL",
        "removed_at = NULL",
        "look_again_at = NULL",
        "gone_at = now()",
    ],
)
def test_a_removed_tenant_that_is_not_waiting_for_its_last_look_is_seen(
    stack: Stack, project_id: str, changes: str
) -> None:
    with failing(stack, STAGES["creating_schema"], Fault.ERROR):
        run(stack, payload_for(project_id))
    (before,) = look(stack, project_id).tenants
    update = sql.SQL("UPDATE control_plane.tenants SET {} WHERE tenant_id = {}")
    execute(stack, update.format(sql.SQL(changes), sql.Literal(before["tenant_id"])), "control_plane")
    problems = problems_of_rolled_back(look(stack, project_id))
    kept = sql.SQL(", ").join(
        sql.SQL("{} = {}").format(sql.Identifier(name), sql.Literal(before[name]))
        for name in ("state", "job_id", "project_id", "removed_at", "look_again_at", "gone_at")
    )
    execute(stack, update.format(kept, sql.Literal(before["tenant_id"])), "control_plane")
    assert problems != []


def test_what_belongs_to_nobody_is_seen_wherever_it_is(stack: Stack, project_id: str) -> None:
    run(stack, payload_for(project_id))
    nobody, secrets = "nobody" + "x" * 14, stack.client("secretsmanager")
    role, database = sql.Identifier(f"tenant_{nobody}_owner"), sql.Identifier(f"tenant_{nobody}")
    execute(stack, sql.SQL("CREATE ROLE {}").format(role))
    execute(stack, sql.SQL("CREATE DATABASE {} ALLOW_CONNECTIONS false").format(database))
    secrets.create_secret(Name=SECRETS + nobody, SecretString="{}")
    control_plane_id = sql.Literal(look(stack, project_id).registered[0]["control_plane_id"])
    insert = sql.SQL("INSERT INTO register.tenants (tenant_id, control_plane_id) VALUES ({}, {})")
    execute(stack, insert.format(sql.Literal(nobody), control_plane_id), REGISTER)
    execute(stack, "UPDATE register.creators SET tenants = tenants + 1", REGISTER)
    try:
        seen = look(stack, project_id).dangling
    finally:
        execute(stack, "UPDATE register.creators SET tenants = tenants - 1", REGISTER)
        execute(
            stack, sql.SQL("DELETE FROM register.tenants WHERE tenant_id = {}").format(sql.Literal(nobody)), REGISTER
        )
        secrets.delete_secret(SecretId=SECRETS + nobody, ForceDeleteWithoutRecovery=True)
        execute(stack, sql.SQL("DROP DATABASE {}").format(database))
        execute(stack, sql.SQL("DROP ROLE {}").format(role))
    assert {one for one in seen if "creator" not in one} == {
        f"tenant_{nobody} of nobody",
        f"tenant_{nobody}_owner of nobody",
        f"secret tenant_{nobody} of nobody",
        f"register row of tenant_{nobody} of nobody",
    }
    has_creators = int(stack.postgres.major_version()) >= 16
    assert any(one.startswith("creator provisioner_creator_") for one in seen) == has_creators
    assert look(stack, project_id).dangling == []
