"""Changes to a provisioned project, each of which look() must detect."""

import json
from collections.abc import Callable
from typing import Any

from moto.secretsmanager.models import secretsmanager_backends
from psycopg2 import sql

from local.aws import ACCOUNT
from local.aws_client import REGION
from local.stack import Stack
from tests.executions.looking import REGISTER
from tests.executions.running import execute
from tests.executions.worlds import World

Tamper = Callable[[Stack, World], object]


def control(statement: str) -> Tamper:
    """Change the control plane; {project} and {tenant} are the ids, as literals."""
    return lambda stack, world: execute(stack, _filled(statement, world), "control_plane")


def register(statement: str) -> Tamper:
    return lambda stack, world: execute(stack, _filled(statement, world), REGISTER)


def server(statement: str) -> Tamper:
    return lambda stack, world: execute(stack, _named(statement, world))


def tenant(statement: str) -> Tamper:
    return lambda stack, world: execute(stack, sql.SQL(statement), f"tenant_{_first(world)}")


def secret(changes: dict[str, Any], *, of_keys: bool = False) -> Tamper:
    def change(stack: Stack, world: World) -> None:
        (found,) = world.raw_keys if of_keys else world.credentials[:1]
        document = json.dumps(found["current"] | changes)
        backend().secrets[found["name"]].versions[backend().secrets[found["name"]].default_version_id][
            "secret_string"
        ] = document

    return change


def forget_registration(stack: Stack, world: World) -> None:
    key = world.registrations["auth"]["idempotency_key"]
    stack.services.store.deregister("auth", world.registrations["auth"]["tenant_id"], key)


def register_elsewhere(stack: Stack, world: World) -> None:
    forget_registration(stack, world)
    stack.services.store.register("auth", _first(world), world.project_id, "another-key", "http://auth")


def forget_secret(stack: Stack, world: World) -> None:
    backend().secrets.pop(world.credentials[0]["name"])


def forget_keys(stack: Stack, world: World) -> None:
    backend().secrets.pop(world.raw_keys[0]["name"])


def another_secret(stack: Stack, world: World) -> None:
    name = f"{world.credentials[0]['name']}/api-keys/another"
    stack.client("secretsmanager").create_secret(Name=name, SecretString="{}")


def backend() -> Any:
    return secretsmanager_backends[ACCOUNT][REGION]


def _filled(statement: str, world: World) -> sql.Composed:
    return sql.SQL(statement).format(project=sql.Literal(world.project_id), tenant=sql.Literal(_first(world)))


def _named(statement: str, world: World) -> sql.Composed:
    name = f"tenant_{_first(world)}"
    names = {"name": name, **{part: f"{name}_{part}" for part in ("owner", "login", "more")}}
    return sql.SQL(statement).format(**{key: sql.Identifier(value) for key, value in names.items()})


def _first(world: World) -> str:
    return str(world.tenants[0]["tenant_id"])


TAMPERED: dict[str, Tamper] = {
    "the progress": control("UPDATE control_plane.jobs SET progress_percent = 99 WHERE project_id = {project}"),
    "no result": control("UPDATE control_plane.jobs SET result = '{{}}' WHERE project_id = {project}"),
    "a step that runs": control(
        "UPDATE control_plane.provisioning_steps SET status = 'running' WHERE stage = 'finalizing' AND job_id ="
        " (SELECT job_id FROM control_plane.jobs WHERE project_id = {project})"
    ),
    "a key's hash": control("UPDATE control_plane.api_keys SET key_hash = sha256(key_hash) WHERE tenant_id = {tenant}"),
    "a key too few": control("DELETE FROM control_plane.api_keys WHERE position = 1 AND tenant_id = {tenant}"),
    "no record of the keys' secret": control("DELETE FROM control_plane.api_key_secrets WHERE tenant_id = {tenant}"),
    "no record of a registration": control(
        "DELETE FROM control_plane.service_registrations WHERE tenant_id = {tenant}"
    ),
    "another holder": control("UPDATE control_plane.tenants SET job_id = 'another' WHERE tenant_id = {tenant}"),
    "no version": control("UPDATE control_plane.tenants SET schema_version = NULL WHERE tenant_id = {tenant}"),
    "another ARN": control("UPDATE control_plane.tenants SET secret_arn = 'arn' WHERE tenant_id = {tenant}"),
    "a second tenant": control(
        "INSERT INTO control_plane.tenants (tenant_id, cluster_id, job_id, project_id, state)"
        " VALUES (reverse({tenant}), 'local', 'another', {project}, 'making')"
    ),
    "a disputed tenant": control(
        "UPDATE control_plane.tenants SET state = 'disputed' WHERE tenant_id = reverse({tenant})"
    ),
    "a register that says it is kept": register(
        "UPDATE register.tenants SET state = 'kept' WHERE tenant_id = {tenant}"
    ),
    "another job in the register": register("UPDATE register.tenants SET job_id = 'x' WHERE tenant_id = {tenant}"),
    "no row in the register": register("DELETE FROM register.tenants WHERE tenant_id = {tenant}"),
    "a comment": server("COMMENT ON DATABASE {name} IS 'mine'"),
    "a database that is open to everyone": server("GRANT CONNECT ON DATABASE {name} TO PUBLIC"),
    "a powerful login": server("ALTER ROLE {login} CREATEDB"),
    "a login with the rights of another role": server("GRANT pg_monitor TO {login}"),
    "a creator that has not left": server("GRANT {owner} TO provisioner_admin"),
    "row level security that is off": tenant("ALTER TABLE tenant.users DISABLE ROW LEVEL SECURITY"),
    "an older schema": tenant("DELETE FROM tenant._migrations"),
    "no schema": tenant("DROP SCHEMA tenant CASCADE"),
    "another owner": server("ALTER DATABASE {name} OWNER TO postgres"),
    "raw keys that are gone": secret({"api_keys": []}, of_keys=True),
    "no secret of the keys": forget_keys,
    "a second secret of keys": another_secret,
    "another password": secret({"password": "another"}),
    "a login that is none": server("ALTER ROLE {login} NOLOGIN"),
    "a closed database": server("ALTER DATABASE {name} ALLOW_CONNECTIONS false"),
    "somebody else's registration": register_elsewhere,
    "no registration": forget_registration,
    "no secret": forget_secret,
    "a second database": server("CREATE DATABASE {more} ALLOW_CONNECTIONS false"),
    "a third role": server("CREATE ROLE {more}"),
    "a tenant that is not active": control(
        "UPDATE control_plane.tenants SET state = 'claimed' WHERE tenant_id = {tenant}"
    ),
    "a project that is not active": control(
        "UPDATE control_plane.projects SET status = 'failed' WHERE project_id = {project}"
    ),
}
