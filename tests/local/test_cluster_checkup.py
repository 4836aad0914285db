"""provision doctor on a cluster: its admin, register and creators, and what only one of the sides knows."""

import json
import re
import uuid
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import psycopg2
import pytest
from psycopg2 import sql
from psycopg2.extensions import connection as Connection  # noqa: N812

from local.bootstrap import ADMIN as ADMIN_ROLE
from local.findings import Finding
from local.stack import Stack
from provisioning.cluster.preparation import prepare_cluster
from provisioning.cluster.session import REGISTER
from provisioning.tenant.names import new_tenant_id
from tests.executions.running import execute, invoke, payload_for, run
from tests.executions.stage_faults import STAGES, Fault, failing
from tests.local.examining import (
    ADMIN,
    changed_cluster,
    changed_registered,
    changed_secret,
    changed_tenant,
    examined,
    facts_of,
    pooled,
    rename,
    wrong,
)


def found() -> Finding:
    """What has to be put right with the stack's cluster."""
    return wrong()["cluster local"]


def test_a_password_of_a_cluster_that_was_changed_elsewhere(stack: Stack) -> None:
    with changed_secret(stack, ADMIN, password="another"):
        changed = found()
    assert "another" not in str(changed)
    assert "password" in changed.remedy


def test_an_admin_that_is_a_superuser(stack: Stack) -> None:
    execute(stack, "ALTER ROLE provisioner_admin SUPERUSER")
    try:
        assert "is a superuser" in found().fact
    finally:
        execute(stack, "ALTER ROLE provisioner_admin NOSUPERUSER")


def test_an_admin_that_may_not_create_databases(stack: Stack) -> None:
    execute(stack, "ALTER ROLE provisioner_admin NOCREATEDB")
    try:
        assert "may not create" in found().fact
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
def test_a_cluster_that_is_not_prepared_is_by_preparing_it_again(
    stack: Stack, members: None, breaking: str, fact: str
) -> None:
    creators = execute(stack, "SELECT name FROM register.creators ORDER BY name", REGISTER)
    execute(stack, sql.SQL(breaking).format(creator=sql.Identifier(creators[0][0])))
    try:
        facts = [one.fact for one in examined() if one.remedy]
    finally:
        prepare_cluster(stack.postgres.connect, ADMIN_ROLE)
    expected = fact.format(fewer=len(creators) - 1, all=len(creators))
    assert any(expected in one for one in facts)
    assert "cluster local" not in wrong()


def test_a_creator_that_is_not_there_is_forgotten_by_preparing_the_cluster_again(stack: Stack) -> None:
    execute(stack, "INSERT INTO register.creators VALUES ('provisioner_creator_lost', 0)", REGISTER)
    try:
        assert "creators of tenants' roles" in found().fact
    finally:
        prepare_cluster(stack.postgres.connect, ADMIN_ROLE)
    assert "cluster local" not in wrong()


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
        facts = [one.fact for one in examined() if one.remedy]
    finally:
        execute(stack, "ALTER DATABASE provisioner_register OWNER TO provisioner_admin")
    assert facts == ["the register belongs to postgres, not to provisioner_admin"]


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
    """How many databases the stack's cluster is said to have room for."""
    (one,) = [one for one in examined() if one.subject == "cluster local"]
    found = re.search(rf" room for (\d+) of {capacity} databases$", one.fact)
    assert found, one.fact
    return int(found[1])


def test_a_project_takes_one_place_of_its_cluster_and_the_pool_takes_none(stack: Stack, project_id: str) -> None:
    with changed_cluster(stack, capacity=500):
        before = room_of(500)
        with pooled(stack):
            assert room_of(500) == before
        assert run(stack, payload_for(project_id)).status == "SUCCEEDED"
        assert room_of(500) == before - 1


def test_a_cluster_that_was_upgraded(stack: Stack) -> None:
    with changed_cluster(stack, version="17"):
        assert "registered as 17" in found().fact


def test_a_database_that_only_one_side_knows_after_a_restore(stack: Stack, project_id: str) -> None:
    ran, other = run(stack, payload_for(project_id)), new_tenant_id()
    name = ran.output["database"]["name"]
    rename(stack, name, f"tenant_{other}")
    try:
        lost, unknown = facts_of(ran.output["tenant_id"]), facts_of(other)
    finally:
        rename(stack, f"tenant_{other}", name)
    assert [(name in fact, fact.endswith("is not there")) for fact in lost] == [(True, True)]
    assert [fact.endswith("unknown to the control plane") for fact in unknown] == [True]


def test_a_database_of_the_pool_is_known_and_one_that_only_one_side_knows_is_told(stack: Stack) -> None:
    other = new_tenant_id()
    with pooled(stack) as tenant_id:
        assert facts_of(tenant_id) == []
        rename(stack, f"tenant_{tenant_id}", f"tenant_{other}")
        try:
            lost, unknown = facts_of(tenant_id), facts_of(other)
        finally:
            rename(stack, f"tenant_{other}", f"tenant_{tenant_id}")
    assert [fact.endswith("is not there") for fact in lost] == [True]
    assert [fact.endswith("unknown to the control plane") for fact in unknown] == [True]


def test_a_database_that_only_the_register_knows_is_named_with_its_holder(stack: Stack) -> None:
    with (
        pooled(stack) as tenant_id,
        changed_tenant(stack, tenant_id, tenant_id=new_tenant_id()),
        changed_registered(stack, tenant_id, job_id="job-lost", project_id="p-lost"),
    ):
        (fact,) = facts_of(tenant_id)
    assert f"tenant_{tenant_id} (job job-lost for project p-lost of control plane " in fact
    assert fact.endswith("unknown to the control plane")


def test_a_database_of_another_control_plane_is_not_unknown_but_counted(stack: Stack) -> None:
    with (
        pooled(stack) as tenant_id,
        changed_tenant(stack, tenant_id, tenant_id=new_tenant_id()),
        changed_registered(stack, tenant_id, control_plane_id=str(uuid.uuid4())),
    ):
        assert facts_of(tenant_id) == []
        (one,) = [one for one in examined() if one.subject == "cluster local"]
    assert one.fact.endswith("; 1 tenants of other control planes")


def test_a_disputed_tenant_is_named_with_its_cluster_and_the_registers_holder(stack: Stack, project_id: str) -> None:
    twin = str(uuid.uuid4())
    with (
        pooled(stack) as tenant_id,
        changed_registered(stack, tenant_id, control_plane_id=twin, job_id="job-of-twin", project_id="p-of-twin"),
    ):
        ran = run(stack, payload_for(project_id))
        (fact,) = facts_of(tenant_id)
        # The pool takes it back to remove it.
        reset = sql.SQL(
            "UPDATE control_plane.tenants SET state = 'ready', job_id = NULL, project_id = NULL WHERE tenant_id = {}"
        )
        execute(stack, reset.format(sql.Literal(tenant_id)), "control_plane")
    assert ran.status == "SUCCEEDED"
    holder = f"job job-of-twin for project p-of-twin of control plane {twin}"
    assert fact == f"tenant {tenant_id} is disputed: the register gives it to {holder}"


@pytest.fixture
def removed(stack: Stack, project_id: str) -> Iterator[str]:
    """The id of a tenant that a rollback has removed, and that is gone afterwards."""
    with failing(stack, STAGES["finalizing"], Fault.ERROR):
        run(stack, payload_for(project_id, "auth"))
    query = sql.SQL("SELECT tenant_id FROM control_plane.tenants WHERE project_id = {}")
    ((tenant_id,),) = execute(stack, query.format(sql.Literal(project_id)), "control_plane")
    yield tenant_id
    for _ in range(2):
        look(stack, tenant_id)
    query = sql.SQL("SELECT state FROM control_plane.tenants WHERE tenant_id = {}")
    assert execute(stack, query.format(sql.Literal(tenant_id)), "control_plane") == [("gone",)]
    assert facts_of(tenant_id) == []


def look(stack: Stack, tenant_id: str) -> Any:
    due = sql.SQL("UPDATE control_plane.tenants SET look_again_at = now() - interval '1 hour' WHERE tenant_id = {}")
    execute(stack, due.format(sql.Literal(tenant_id)), "control_plane")
    return invoke(stack, "ReconcileFunction", {})


def test_a_tenant_whose_look_is_not_due_yet_is_fine(stack: Stack, removed: str) -> None:
    assert facts_of(removed) == []


def test_a_tenant_that_is_overdue_for_its_look_is_named(stack: Stack, removed: str) -> None:
    with changed_tenant(stack, removed, look_again_at="2026-01-01"):
        assert facts_of(removed) == [f"tenant {removed} is being removed and overdue for its look"]


def test_a_tenant_that_cannot_be_removed_is_named_with_the_reason(
    stack: Stack, removed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setenv("AUTH_SERVICE_URL", "http://127.0.0.1:1/auth")
        answer, failed = look(stack, removed)
    assert failed
    assert facts_of(removed) == [f"tenant {removed} cannot be removed: {answer['errorMessage']}"]


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
