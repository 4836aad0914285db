"""The looks at the world are tests themselves only if they see what they are there to see."""

import json
from collections.abc import Callable
from contextlib import closing
from typing import Any

from moto.secretsmanager.models import secretsmanager_backends

from local.aws import ACCOUNT
from local.aws_client import REGION
from local.stack import Stack
from tests.executions.running import SERVICES, execute, payload_for, run
from tests.executions.worlds import World, look, problems_of_provisioned, problems_of_rolled_back

Tamper = Callable[[Stack, World], object]


def control(statement: str) -> Tamper:
    return lambda stack, world: execute(stack, statement.replace("%s", f"'{world.project_id}'"), "control_plane")


def server(statement: str) -> Tamper:
    return lambda stack, world: execute(stack, statement.format(name=world.databases[0]["name"]))


def tenant(statement: str) -> Tamper:
    return lambda stack, world: execute(stack, statement, world.databases[0]["name"])


def secret(**changes: Any) -> Tamper:
    def change(stack: Stack, world: World) -> None:
        name, document = world.secrets[0]["name"], world.secrets[0]["current"] | changes
        stack.client("secretsmanager").put_secret_value(SecretId=name, SecretString=json.dumps(document))

    return change


def forget_registration(stack: Stack, world: World) -> None:
    stack.services.store.deregister("auth", world.project_id, world.registrations["auth"]["idempotency_key"])


def register_elsewhere(stack: Stack, world: World) -> None:
    forget_registration(stack, world)
    stack.services.store.register("auth", world.project_id, "another-job/auth", "http://auth")


def forget_secret(stack: Stack, world: World) -> None:
    secretsmanager_backends[ACCOUNT][REGION].secrets.pop(world.secrets[0]["name"])


TAMPERED: dict[str, Tamper] = {
    "the progress": control("UPDATE control_plane.jobs SET progress_percent = 99 WHERE project_id = %s"),
    "no result": control("UPDATE control_plane.jobs SET result = NULL WHERE project_id = %s"),
    "a step that runs": control(
        "UPDATE control_plane.provisioning_steps SET status = 'running' WHERE stage = 'finalizing' AND job_id ="
        " (SELECT job_id FROM control_plane.jobs WHERE project_id = %s)"
    ),
    "a key's hash": control("UPDATE control_plane.api_keys SET key_hash = sha256(key_hash) WHERE project_id = %s"),
    "a key too few": control("DELETE FROM control_plane.api_keys WHERE position = 1 AND project_id = %s"),
    "no record of a registration": control("DELETE FROM control_plane.service_registrations WHERE project_id = %s"),
    "no record of the database": control("DELETE FROM control_plane.tenant_databases WHERE project_id = %s"),
    "another mark": server("COMMENT ON DATABASE {name} IS 'mine'"),
    "no mark": server("COMMENT ON ROLE {name}_owner IS NULL"),
    "a database that is open to everyone": server("GRANT CONNECT ON DATABASE {name} TO PUBLIC"),
    "a powerful login": server("ALTER ROLE {name}_login CREATEDB"),
    "a login with the rights of another role": server("GRANT pg_monitor TO {name}_login"),
    "row level security that is not forced": tenant("ALTER TABLE tenant.users NO FORCE ROW LEVEL SECURITY"),
    "an older schema": tenant("DELETE FROM tenant._migrations"),
    "no schema": tenant("DROP SCHEMA tenant CASCADE"),
    "another owner": server("ALTER DATABASE {name} OWNER TO postgres"),
    "raw keys that are gone": secret(api_keys=[]),
    "another password": secret(password="another"),
    "a login that is none": server("ALTER ROLE {name}_login NOLOGIN"),
    "a closed database": server("ALTER DATABASE {name} ALLOW_CONNECTIONS false"),
    "somebody else's registration": register_elsewhere,
    "no registration": forget_registration,
    "no secret": forget_secret,
    "a second database": server("CREATE DATABASE {name}_more ALLOW_CONNECTIONS false"),
    "a third role": server("CREATE ROLE {name}_more"),
    "a project that is not active": control(
        "UPDATE control_plane.projects SET status = 'failed' WHERE project_id = %s"
    ),
}


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
        *("databases", "roles", "secrets", "registrations"),
        *("tenant_databases", "service_registrations", "api_keys"),
    ]
    assert [kind for kind in left if f"{kind} left" not in text] == []


def test_a_lock_that_is_held_is_seen(stack: Stack, project_id: str) -> None:
    ran = run(stack, payload_for(project_id))
    with closing(stack.postgres.connect("control_plane")) as holder, holder.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(hashtextextended(%s, 0))", (f"{ran.job_id}/finalizing",))
        assert look(stack, project_id).locks == [f"{ran.job_id}/finalizing"]
