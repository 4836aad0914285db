"""Create tenant database: register row, secret, roles and database, as steps that can each be repeated."""

import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any
from unittest.mock import patch

import psycopg2
import pytest
from psycopg2 import sql

from local.bootstrap import ADMIN
from local.stack import Stack
from provisioning.cluster import register
from provisioning.cluster.session import REGISTER as REGISTER_DATABASE
from provisioning.ledger.attempt import Attempt
from provisioning.queries import Query
from provisioning.tenant import making, schema
from stages.database import create_database, drop_database
from tests.conftest import NewProject
from tests.executions.looking import look
from tests.stages.jobs import Died, StagedJob, dying, execute, open_job

NOTHING: dict[str, list[Any]] = {"databases": [], "roles": [], "secrets": []}


def resources(stack: Stack, job: StagedJob) -> dict[str, Any]:
    """What exists of the project outside the ledger."""
    world = look(stack, job.project_id)
    return {kind: getattr(world, kind) for kind in NOTHING}


def secret_of(stack: Stack, job: StagedJob) -> dict[str, Any]:
    answer = stack.client("secretsmanager").get_secret_value(SecretId=job.names.secret)
    document: dict[str, Any] = json.loads(answer["SecretString"])
    return document


def test_the_output_says_where_the_database_is_and_what_holds_its_credentials(stack: Stack, job: StagedJob) -> None:
    output = job.run(create_database)
    (secret,) = look(stack, job.project_id).secrets
    assert output == {
        "tenant_id": job.tenant_id,
        "name": job.names.database,
        "host": "127.0.0.1",
        "port": stack.postgres.port,
        "secret_arn": secret["arn"],
    }


def test_the_register_says_for_whom_the_tenant_was_made(stack: Stack, job: StagedJob) -> None:
    job.run(create_database)
    (row,) = look(stack, job.project_id).registered
    identity = "SELECT control_plane_id::text FROM control_plane.identity"
    ((control_plane_id,),) = execute(stack, "control_plane", identity)
    assert {**row, "recorded_at": None} == {
        "tenant_id": job.tenant_id,
        "control_plane_id": control_plane_id,
        "job_id": job.job_id,
        "project_id": job.project_id,
        "state": "kept",
        "access_job_id": None,
        "is_changing": False,
        "recorded_at": None,
    }


def test_the_database_is_named_and_limited_and_knows_every_letter(stack: Stack, job: StagedJob) -> None:
    job.run(create_database)
    (database,) = look(stack, job.project_id).databases
    ((has_builtin,),) = execute(stack, "postgres", "SELECT current_setting('server_version_num')::integer >= 170000")
    assert database == {
        "name": job.names.database,
        "comment": None,
        "owner": job.names.owner_role,
        "acl": [
            f"{job.names.owner_role}=CTc/{job.names.owner_role}",
            f"{job.names.login_role}=Tc/{job.names.owner_role}",
            f"{ADMIN}=c/{job.names.owner_role}",
        ],
        "connection_limit": making.CONNECTION_LIMIT,
        "allows_connections": True,
        "encoding": "UTF8",
        "provider": "b" if has_builtin else "c",
        "locale": "C.UTF-8" if has_builtin else None,
    }


def test_the_owner_cannot_log_in_and_postgresql_has_only_a_verifier_of_the_password(
    stack: Stack, job: StagedJob
) -> None:
    job.run(create_database)
    login, owner = look(stack, job.project_id).roles
    assert (owner["name"], owner["logs_in"], owner["verifier"]) == (job.names.owner_role, False, None)
    assert (login["name"], login["logs_in"], login["powers"]) == (job.names.login_role, True, False)
    assert login["verifier"].startswith("SCRAM-SHA-256$4096:")
    assert secret_of(stack, job)["password"] not in login["verifier"]
    assert {login["comment"], owner["comment"]} == {None}
    assert login["connection_limit"] == making.CONNECTION_LIMIT


def test_the_secret_has_the_format_of_aws_rotation_and_its_credentials_log_in(stack: Stack, job: StagedJob) -> None:
    job.run(create_database)
    document = secret_of(stack, job)
    password, jwt_secret = document.pop("password"), document.pop("jwt_secret")
    assert len(jwt_secret) >= 64
    assert document == {
        "engine": "postgres",
        "host": "127.0.0.1",
        "port": stack.postgres.port,
        "dbname": job.names.database,
        "username": job.names.login_role,
    }
    with closing(schema.connect(document | {"password": password})) as tenant, tenant.cursor() as cursor:
        cursor.execute("SELECT session_user::text, current_user::text, current_database()::text")
        assert cursor.fetchone() == (job.names.login_role, job.names.owner_role, job.names.database)


def test_no_other_tenant_can_connect(stack: Stack, new_project: NewProject) -> None:
    mine, other = open_job(new_project()), open_job(new_project())
    for job in (mine, other):
        job.run(create_database)
    document = secret_of(stack, other) | {"dbname": mine.names.database}
    with pytest.raises(psycopg2.OperationalError, match="lacks CONNECT on the database"):
        schema.connect(document)


@pytest.mark.parametrize("database", ["postgres", "template1", "control_plane", REGISTER_DATABASE])
def test_a_tenant_can_connect_to_none_of_the_servers_own_databases(stack: Stack, job: StagedJob, database: str) -> None:
    job.run(create_database)
    with pytest.raises(psycopg2.OperationalError, match="lacks CONNECT on the database"):
        schema.connect(secret_of(stack, job) | {"dbname": database})


def test_sessions_on_the_template_that_others_use_delay_nothing(stack: Stack, job: StagedJob) -> None:
    with closing(stack.postgres.connect("template1")):
        job.run(create_database)
    assert [database["name"] for database in look(stack, job.project_id).databases] == [job.names.database]


def test_a_second_delivery_returns_what_was_recorded_and_does_nothing(stack: Stack, job: StagedJob) -> None:
    first, before = job.run(create_database), look(stack, job.project_id)
    assert job.run(create_database) == first
    assert look(stack, job.project_id) == before


@contextmanager
def dying_before(query: str) -> Iterator[None]:
    """Let the process die before it sends a query to the cluster."""
    real = making.composed

    def composed(names: Any, *sent: Query, **values: object) -> sql.Composed:
        if any(one.name.startswith(query) for one in sent):
            raise Died
        return real(names, *sent, **values)

    with patch.object(making, "composed", composed):
        yield


CRASHES = {
    "nothing": lambda: dying(register, "claim", after=False),
    "the register's row": lambda: dying(register, "claim", after=True),
    "the secret": lambda: dying_before("join_roles"),
    "the roles": lambda: dying_before("make_database"),
    "the database": lambda: dying_before("open_database"),
    "everything, not recorded": lambda: dying(Attempt, "succeed", after=False),
}
after_each_step = pytest.mark.parametrize("crash", CRASHES.values(), ids=CRASHES)


@after_each_step
def test_after_a_crash_the_next_attempt_uses_what_already_exists(stack: Stack, job: StagedJob, crash: Any) -> None:
    tenant_id = job.tenant_id
    with crash(), pytest.raises(Died):
        job.run(create_database)
    before = resources(stack, job)
    job.run(create_database)
    world = look(stack, job.project_id)
    assert job.tenant_id == tenant_id
    assert (len(world.databases), len(world.roles), len(world.secrets), len(world.registered)) == (1, 2, 1, 1)
    assert all(secret in world.secrets for secret in before["secrets"]), "the password of the first attempt stays"
    assert world.tenant["secret_arn"] == world.secrets[0]["arn"]
    with closing(schema.connect(secret_of(stack, job))):
        pass


@after_each_step
def test_after_a_crash_the_compensation_removes_what_already_exists(stack: Stack, job: StagedJob, crash: Any) -> None:
    with crash(), pytest.raises(Died):
        job.run(create_database)
    assert job.run(drop_database)["unknown"] == []
    assert resources(stack, job) == NOTHING


def test_the_register_has_its_row_before_anything_is_made(stack: Stack, job: StagedJob) -> None:
    with dying(register, "claim", after=True), pytest.raises(Died):
        job.run(create_database)
    world = look(stack, job.project_id)
    assert [row["job_id"] for row in world.registered] == [job.job_id]
    assert resources(stack, job) == NOTHING


def test_a_database_whose_privileges_are_not_set_yet_lets_nobody_in(stack: Stack, job: StagedJob) -> None:
    with dying_before("open_database"), pytest.raises(Died):
        job.run(create_database)
    (database,) = look(stack, job.project_id).databases
    assert not database["allows_connections"]
    job.run(create_database)
    (database,) = look(stack, job.project_id).databases
    assert database["allows_connections"]
