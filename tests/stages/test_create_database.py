"""Create tenant database: the roles, the secret and the database, each under the mark of its job; and their removal."""

import json
from contextlib import closing
from typing import Any
from unittest.mock import patch

import psycopg2
import pytest

from local.bootstrap import ADMIN
from local.stack import Stack
from provisioning import tenant_database, tenant_schema, tenant_secret
from provisioning.errors import JobClosed
from stages import create_database as stage
from stages.create_database import create_database, drop_database
from tests.conftest import NewProject
from tests.executions.looking import look
from tests.stages.jobs import Died, StagedJob, dying, execute, open_job

RESOURCES = ("databases", "roles", "secrets", "tenant_databases")
NOTHING: dict[str, list[Any]] = {kind: [] for kind in RESOURCES}


def resources(stack: Stack, job: StagedJob) -> dict[str, Any]:
    """What there is of the project outside the ledger."""
    return {kind: getattr(look(stack, job.project_id), kind) for kind in RESOURCES}


def secret_of(stack: Stack, job: StagedJob) -> dict[str, Any]:
    answer = stack.client("secretsmanager").get_secret_value(SecretId=job.names.secret)
    document: dict[str, Any] = json.loads(answer["SecretString"])
    return document


def test_the_output_says_where_the_database_is_and_what_holds_its_credentials(stack: Stack, job: StagedJob) -> None:
    output = job.run(create_database)
    (secret,) = look(stack, job.project_id).secrets
    assert output == {
        "name": job.names.database,
        "host": "127.0.0.1",
        "port": stack.postgres.port,
        "secret_arn": secret["arn"],
    }


def test_the_database_is_named_marked_limited_and_in_a_locale_that_every_server_has(
    stack: Stack, job: StagedJob
) -> None:
    job.run(create_database)
    (database,) = look(stack, job.project_id).databases
    assert database == {
        "name": job.names.database,
        "mark": job.mark,
        "owner": job.names.owner_role,
        "acl": [
            f"{job.names.owner_role}=CTc/{job.names.owner_role}",
            f"{job.names.login_role}=Tc/{job.names.owner_role}",
            f"{ADMIN}=c/{job.names.owner_role}",
        ],
        "connection_limit": tenant_database.CONNECTION_LIMIT,
        "allows_connections": True,
        "encoding": "UTF8",
        "provider": "b",
        "locale": "C.UTF-8",
    }


def test_before_postgresql_17_the_locale_is_c(stack: Stack, job: StagedJob) -> None:
    with patch.object(tenant_database, "creation_statement", lambda _: "create_database_before_17"):
        job.run(create_database)
    collations = execute(
        stack,
        job.names.database,
        "SELECT datcollate, datctype, pg_encoding_to_char(encoding) FROM pg_database"
        " WHERE datname = current_database()",
    )
    assert collations == [("C", "C", "UTF8")]


def test_the_owner_cannot_log_in_and_of_the_password_postgresql_has_a_verifier_alone(
    stack: Stack, job: StagedJob
) -> None:
    job.run(create_database)
    login, owner = look(stack, job.project_id).roles
    assert (owner["name"], owner["logs_in"], owner["verifier"]) == (job.names.owner_role, False, None)
    assert (login["name"], login["logs_in"], login["powers"]) == (job.names.login_role, True, False)
    assert login["verifier"].startswith("SCRAM-SHA-256$4096:")
    assert secret_of(stack, job)["password"] not in login["verifier"]
    assert {login["mark"], owner["mark"]} == {job.mark}
    assert login["connection_limit"] == tenant_database.CONNECTION_LIMIT


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
    issued = tenant_schema.issued_connection(document | {"password": password})
    with closing(issued) as tenant, tenant.cursor() as cursor:
        cursor.execute("SELECT session_user::text, current_user::text, current_database()::text")
        assert cursor.fetchone() == (job.names.login_role, job.names.owner_role, job.names.database)


def test_no_other_tenant_can_connect(stack: Stack, new_project: NewProject) -> None:
    mine, other = open_job(new_project()), open_job(new_project())
    for job in (mine, other):
        job.run(create_database)
    document = secret_of(stack, other) | {"dbname": mine.names.database}
    with pytest.raises(psycopg2.OperationalError, match="permission denied for database"):
        tenant_schema.issued_connection(document)


@pytest.mark.parametrize("database", ["postgres", "template1", "control_plane"])
def test_a_tenant_can_connect_to_none_of_the_servers_own_databases(stack: Stack, job: StagedJob, database: str) -> None:
    job.run(create_database)
    with pytest.raises(psycopg2.OperationalError, match="permission denied for database"):
        tenant_schema.issued_connection(secret_of(stack, job) | {"dbname": database})


def test_sessions_on_the_template_that_others_use_delay_nothing(stack: Stack, job: StagedJob) -> None:
    with closing(stack.postgres.connect("template1")):
        job.run(create_database)
    assert [database["name"] for database in look(stack, job.project_id).databases] == [job.names.database]


def test_a_second_delivery_returns_what_was_recorded_and_does_nothing(stack: Stack, job: StagedJob) -> None:
    first, before = job.run(create_database), look(stack, job.project_id)
    assert job.run(create_database) == first
    assert look(stack, job.project_id) == before


CRASHES = [
    ("declare", stage, "_source", True),
    ("secret", tenant_secret, "ensure_credentials", True),
    ("roles", tenant_database, "create_roles", True),
    ("database, before its mark", tenant_database, "creation_statement", False),
    ("database", tenant_database, "create_database", True),
]


@pytest.mark.parametrize(("owner", "attribute", "after"), [case[1:] for case in CRASHES], ids=[c[0] for c in CRASHES])
def test_after_a_crash_the_next_attempt_takes_up_what_is_there(
    stack: Stack, job: StagedJob, owner: Any, attribute: str, after: bool
) -> None:
    with dying(owner, attribute, after=after), pytest.raises(Died):
        job.run(create_database)
    before = resources(stack, job)
    job.run(create_database)
    world = look(stack, job.project_id)
    assert (len(world.databases), len(world.roles), len(world.secrets)) == (1, 2, 1)
    assert all(secret in world.secrets for secret in before["secrets"]), "the password of the first attempt stays"
    assert world.tenant_databases[0]["status"] == "created"
    with closing(tenant_schema.issued_connection(secret_of(stack, job))):
        pass


@pytest.mark.parametrize(("owner", "attribute", "after"), [case[1:] for case in CRASHES], ids=[c[0] for c in CRASHES])
def test_after_a_crash_the_compensation_removes_what_is_there(
    stack: Stack, job: StagedJob, owner: Any, attribute: str, after: bool
) -> None:
    with dying(owner, attribute, after=after), pytest.raises(Died):
        job.run(create_database)
    job.run(drop_database)
    assert resources(stack, job) == NOTHING


def crash_before_the_mark(job: StagedJob) -> None:
    """Leaves a database that was created, and has no comment yet."""
    real = tenant_database._run

    def run(cursor: Any, statements: tuple[str, ...], *arguments: Any, **values: Any) -> None:
        if "open_database" in statements:
            raise Died
        real(cursor, statements, *arguments, **values)

    with patch.object(tenant_database, "_run", run), pytest.raises(Died):
        job.run(create_database)


def test_a_database_that_has_no_mark_yet_is_its_owners(stack: Stack, job: StagedJob) -> None:
    crash_before_the_mark(job)
    (unfinished,) = look(stack, job.project_id).databases
    assert (unfinished["mark"], unfinished["allows_connections"]) == (None, False)
    job.run(create_database)
    (database,) = look(stack, job.project_id).databases
    assert (database["mark"], database["allows_connections"]) == (job.mark, True)


def test_a_database_that_has_no_mark_yet_is_removed(stack: Stack, job: StagedJob) -> None:
    crash_before_the_mark(job)
    assert job.names.database in job.run(drop_database)["removed"]
    assert resources(stack, job) == NOTHING


def test_a_job_that_is_being_rolled_back_creates_nothing_any_more(stack: Stack, job: StagedJob) -> None:
    job.compensate()
    with pytest.raises(JobClosed):
        job.run(create_database)
    assert resources(stack, job) == NOTHING
