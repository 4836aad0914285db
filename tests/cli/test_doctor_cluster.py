"""provision doctor on a cluster: its admin, its register, its creators and its room."""

import json
import re
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import psycopg2
import pytest
from psycopg2 import sql
from psycopg2.extensions import connection as Connection  # noqa: N812

from cli.findings import Finding
from local.bootstrap import ADMIN as ADMIN_ROLE
from local.lambda_environment import Handler
from local.stack import Stack
from provisioning.cluster.preparation import prepare_cluster
from provisioning.cluster.session import REGISTER
from tests.cli.examining import (
    ADMIN,
    changed_cluster,
    changed_secret,
    examined,
    pooled,
    rename,
    wrong,
)
from tests.cli.mending import mend
from tests.executions.running import execute, payload_for, replaced, run

pytestmark = pytest.mark.slow


VIEWED = "SELECT room FROM control_plane.cluster_room WHERE cluster_id = 'local'"


def found() -> Finding:
    """The facts to correct about the stack's cluster."""
    return wrong()["cluster local"]


def test_a_password_of_a_cluster_that_was_changed_elsewhere(stack: Stack) -> None:
    with changed_secret(stack, ADMIN, password="another"):
        changed = found()
    assert "another" not in str(changed)
    assert "password" in changed.remedy


def test_an_admin_whose_secret_rds_manages_and_which_names_no_server(stack: Stack) -> None:
    with changed_secret(stack, ADMIN, host=None, port=None, dbname=None):
        assert "cluster local" not in wrong()


def test_an_admin_that_is_a_superuser(stack: Stack) -> None:
    execute(stack, "ALTER ROLE provisioner_admin SUPERUSER")
    try:
        assert "is a superuser" in found().fact
    finally:
        execute(stack, "ALTER ROLE provisioner_admin NOSUPERUSER")


def test_an_admin_that_may_not_create_databases(stack: Stack) -> None:
    execute(stack, "ALTER ROLE provisioner_admin NOCREATEDB")
    try:
        told = found()
        assert "may not create" in told.fact
        mend(stack, told)
        assert "cluster local" not in wrong()
    finally:
        execute(stack, "ALTER ROLE provisioner_admin CREATEDB")


@pytest.fixture
def members(stack: Stack) -> Iterator[None]:
    """A login of an earlier test is a member of anon by a creator's grant, and is one again afterwards."""
    granted = execute(
        stack,
        "SELECT member::regrole::text, grantor::regrole::text"
        " FROM pg_auth_members JOIN pg_roles ON pg_roles.oid = member"
        " WHERE roleid = 'anon'::regrole AND rolname ~ '^tenant_'",
    )
    yield
    for names in granted:
        grant = sql.SQL("GRANT anon TO {} GRANTED BY {}")
        execute(stack, grant.format(*map(sql.Identifier, names)))


@pytest.mark.parametrize(
    ("breaking", "fact"),
    [
        ("REVOKE anon FROM provisioner_admin CASCADE", "may not grant anon"),
        ("REVOKE {creator} FROM provisioner_admin GRANTED BY provisioner_admin", "can use {fewer} of {all} creators"),
        ("REVOKE anon FROM {creator} GRANTED BY provisioner_admin CASCADE", "can use {fewer} of {all} creators"),
        ("GRANT CONNECT ON DATABASE postgres TO PUBLIC", "may connect to the database postgres"),
        (
            "GRANT CONNECT ON DATABASE provisioner_register TO PUBLIC",
            "may connect to the database provisioner_register",
        ),
    ],
)
def test_a_cluster_that_is_not_prepared_is_mended_by_what_doctor_prints(
    stack: Stack, members: None, breaking: str, fact: str
) -> None:
    creators = execute(stack, "SELECT name FROM register.creators ORDER BY name", REGISTER)
    execute(stack, sql.SQL(breaking).format(creator=sql.Identifier(creators[0][0])))
    try:
        expected = fact.format(fewer=len(creators) - 1, all=len(creators))
        told = [one for one in examined() if one.remedy]
        assert any(expected in one.fact for one in told)
        for one in told:
            mend(stack, one)
        assert "cluster local" not in wrong()
    finally:
        prepare_cluster(stack.postgres.connect, ADMIN_ROLE)


def test_a_creator_that_is_not_there_is_forgotten_by_preparing_the_cluster_again(stack: Stack) -> None:
    execute(stack, "INSERT INTO register.creators VALUES ('provisioner_creator_lost', 0)", REGISTER)
    try:
        told = found()
        assert "creators of tenants' roles" in told.fact
        mend(stack, told)
        assert "cluster local" not in wrong()
    finally:
        prepare_cluster(stack.postgres.connect, ADMIN_ROLE)


def test_a_cluster_without_a_register(stack: Stack) -> None:
    rename(stack, REGISTER, "elsewhere")
    try:
        facts = [one.fact for one in examined() if one.remedy]
    finally:
        rename(stack, "elsewhere", REGISTER)
    assert facts == [f"it has no register, the database {REGISTER}"]


def test_a_register_that_is_not_the_admins(stack: Stack) -> None:
    execute(stack, "ALTER DATABASE provisioner_register OWNER TO postgres")
    try:
        (told,) = [one for one in examined() if one.remedy]
        assert told.fact == "the register belongs to postgres, not to provisioner_admin"
        mend(stack, told)
        assert "cluster local" not in wrong()
    finally:
        execute(stack, "ALTER DATABASE provisioner_register OWNER TO provisioner_admin")


def test_a_register_without_tables(stack: Stack) -> None:
    execute(stack, "ALTER SCHEMA register RENAME TO elsewhere", REGISTER)
    try:
        facts = [one.fact for one in examined() if one.remedy]
    finally:
        execute(stack, "ALTER SCHEMA elsewhere RENAME TO register", REGISTER)
    assert facts == ["provisioner_admin finds no tables in the register"]


def test_a_cluster_that_is_full(stack: Stack) -> None:
    with changed_cluster(stack, capacity=0):
        assert "add a cluster" in found().remedy


def room_of(capacity: int) -> int:
    """Return for how many databases the finding says that the stack's cluster has room."""
    (one,) = [one for one in examined() if one.subject == "cluster local"]
    found = re.search(rf" room for (\d+) of {capacity} databases; ", one.fact)
    assert found, one.fact
    return int(found[1])


def test_a_project_takes_one_place_of_its_cluster_and_the_pool_takes_none(stack: Stack, project_id: str) -> None:
    with changed_cluster(stack, capacity=500):
        before = room_of(500)
        with pooled(stack):
            assert room_of(500) == before
        assert run(stack, payload_for(project_id)).status == "SUCCEEDED"
        assert room_of(500) == before - 1


def test_the_room_is_that_of_the_view_while_a_job_runs(stack: Stack, project_id: str) -> None:
    with changed_cluster(stack, capacity=500):
        before, rooms = room_of(500), []

        def look(handler: Handler, event: Any, context: Any) -> Any:
            ((room,),) = execute(stack, VIEWED, "control_plane")
            rooms.append((room, room_of(500)))
            return handler(event, context)

        with replaced(stack, "CreateSchemaFunction", look):
            assert run(stack, payload_for(project_id)).status == "SUCCEEDED"
    assert rooms == [(before - 1, before - 1)]


def test_a_cluster_that_was_upgraded(stack: Stack) -> None:
    with changed_cluster(stack, version="17"):
        assert "registered as 17" in found().fact


def test_an_admin_that_is_no_superuser_prepares_a_cluster_by_itself(stack: Stack) -> None:
    document = json.loads(stack.client("secretsmanager").get_secret_value(SecretId=ADMIN)["SecretString"])
    names = {"host": "host", "port": "port", "username": "user", "password": "password"}
    credentials = {name: document[key] for key, name in names.items()}

    def connect(dbname: str) -> Connection:
        connection: Connection = psycopg2.connect(**credentials, dbname=dbname)
        connection.autocommit = True
        return connection

    prepare_cluster(connect, document["username"])
    with closing(connect(REGISTER)) as session, session.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM register.creators")
        ((count,),) = cursor.fetchall()
    assert count >= 4
    assert "cluster local" not in wrong()
