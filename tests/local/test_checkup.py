"""provision doctor: each thing that can be wrong is found, with what to do, and hides nothing else."""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from psycopg2 import sql

from local import account, checkup
from local.findings import Finding
from local.stack import Stack
from provisioning import migrate, service_client
from provisioning.cluster import prepare_cluster
from tests.executions.running import execute, payload_for, run
from tests.stages.jobs import refilled

TOKENS = "provisioner/service-tokens"
ADMIN = "provisioner/clusters/local"


OF_OTHER_TESTS = ("is not there", "is unknown to the control plane")


def wrong() -> dict[str, Finding]:
    """What has to be put right, by subject, but for databases that other tests have left in this server."""
    found = [one for one in checkup.examine() if one.remedy and not one.fact.endswith(OF_OTHER_TESTS)]
    return {one.subject: one for one in found}


@pytest.fixture(autouse=True)
def fresh(stack: Stack) -> None:
    """A doctor has no environment that was there before."""
    service_client._environment.__dict__.clear()


@contextmanager
def changed_secret(stack: Stack, name: str, **members: Any) -> Iterator[None]:
    secrets = stack.client("secretsmanager")
    before = secrets.get_secret_value(SecretId=name)["SecretString"]
    changed = {key: value for key, value in (json.loads(before) | members).items() if value is not None}
    secrets.put_secret_value(SecretId=name, SecretString=json.dumps(changed))
    try:
        yield
    finally:
        secrets.put_secret_value(SecretId=name, SecretString=before)


@contextmanager
def changed_cluster(stack: Stack, assignment: str) -> Iterator[None]:
    columns = "capacity, version, admin_secret_id"
    ((capacity, version, secret),) = _in_control_plane(stack, f"SELECT {columns} FROM control_plane.clusters")
    _in_control_plane(stack, f"UPDATE control_plane.clusters SET {assignment}")
    try:
        yield
    finally:
        before = f"capacity = {capacity}, version = '{version}', admin_secret_id = '{secret}'"
        _in_control_plane(stack, f"UPDATE control_plane.clusters SET {before}")


def _in_control_plane(stack: Stack, statement: str) -> list[tuple[Any, ...]]:
    return execute(stack, statement, "control_plane")


def test_nothing_is_wrong_with_a_stack_that_has_just_started(stack: Stack) -> None:
    found = [one for one in checkup.examine() if not one.fact.endswith(OF_OTHER_TESTS)]
    services = [f"service {service}" for service in ("auth", "realtime", "storage", "pooler")]
    subjects = ["settings", "control plane", "cluster local", *services]
    assert [(one.subject, one.remedy) for one in found] == [(name, "") for name in [*subjects, "permissions"]]
    assert not found[-1].checked


def test_a_missing_setting_is_named(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AUTH_SERVICE_URL")
    found = wrong()
    assert found.keys() == {"settings", "service auth"}
    assert "AUTH_SERVICE_URL" in found["settings"].fact


def test_a_connection_without_a_verified_certificate_is_refused_outside_a_laptop(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALLOW_PLAIN_HTTP", "false")
    assert wrong()["settings"].remedy == "set DatabaseSslMode to verify-full"


def test_a_missing_file_of_certificates_is_named(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_SSL_ROOT_CERT", "/nowhere.pem")
    assert "/nowhere.pem" in wrong()["settings"].fact


def test_a_control_plane_that_does_not_answer(stack: Stack) -> None:
    with changed_secret(stack, "provisioner/control-plane", port=1):
        found = wrong()
    assert found.keys() == {"control plane", "clusters"}
    assert "security group" in found["control plane"].remedy


def test_a_secret_that_lacks_a_member(stack: Stack) -> None:
    with changed_secret(stack, "provisioner/control-plane", password=None):
        assert wrong()["control plane"].fact.endswith("has no password")


def test_a_secret_that_is_not_there(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SERVICE_TOKENS_SECRET_ID", "nowhere")
    assert wrong()["service auth"].fact == "the secret nowhere does not exist"


def test_a_schema_that_is_older_than_the_code(stack: Stack, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    newer = shutil.copytree(migrate.MIGRATIONS, tmp_path / "migrations")
    (newer / "9999_next.sql").write_text("SELECT 1;")
    monkeypatch.setattr(migrate, "MIGRATIONS", newer)
    assert "lacks 9999_next" in wrong()["control plane"].fact


def test_a_password_of_a_cluster_that_was_changed_elsewhere(stack: Stack) -> None:
    with changed_secret(stack, ADMIN, password="another"):
        found = wrong()["cluster local"]
    assert "another" not in str(found)
    assert "password" in found.remedy


def test_an_admin_that_is_a_superuser(stack: Stack) -> None:
    execute(stack, "ALTER ROLE provisioner_admin SUPERUSER")
    try:
        assert "is a superuser" in wrong()["cluster local"].fact
    finally:
        execute(stack, "ALTER ROLE provisioner_admin NOSUPERUSER")


@pytest.mark.parametrize(
    ("breaking", "mending", "fact"),
    [
        ("ALTER ROLE provisioner_admin NOCREATEDB", "ALTER ROLE provisioner_admin CREATEDB", "may not create"),
        (
            "REVOKE anon FROM provisioner_admin CASCADE",
            "GRANT anon TO provisioner_admin WITH ADMIN OPTION",
            "may not grant anon",
        ),
        (
            "REVOKE provisioner_creator_0 FROM provisioner_admin",
            "GRANT provisioner_creator_0 TO provisioner_admin WITH INHERIT TRUE, SET TRUE",
            "has 63 of 64 creators",
        ),
        (
            "REVOKE provisioner_objects FROM provisioner_creator_0",
            "GRANT provisioner_objects TO provisioner_creator_0 WITH INHERIT TRUE, SET FALSE",
            "has 63 of 64 creators",
        ),
        (
            "GRANT CONNECT ON DATABASE postgres TO PUBLIC",
            "REVOKE CONNECT ON DATABASE postgres FROM PUBLIC",
            "may connect to the database postgres",
        ),
    ],
)
def test_a_cluster_that_is_not_prepared(stack: Stack, breaking: str, mending: str, fact: str) -> None:
    # A login of an earlier test is a member of anon by the admin's grant.
    members = execute(
        stack,
        "SELECT member::regrole::text FROM pg_auth_members"
        " WHERE roleid = 'anon'::regrole AND grantor = 'provisioner_admin'::regrole",
    )
    execute(stack, breaking)
    try:
        assert fact in wrong()["cluster local"].fact
    finally:
        execute(stack, mending)
        for (member,) in members:
            execute(stack, sql.SQL("GRANT anon TO {} GRANTED BY provisioner_admin").format(sql.Identifier(member)))


def test_a_cluster_that_is_full(stack: Stack) -> None:
    with changed_cluster(stack, "capacity = 0"):
        assert "add a cluster" in wrong()["cluster local"].remedy


def test_a_cluster_that_was_upgraded(stack: Stack) -> None:
    with changed_cluster(stack, "version = '17'"):
        assert "registered as 17" in wrong()["cluster local"].fact


def rename(stack: Stack, database: str, name: str) -> None:
    execute(stack, sql.SQL("ALTER DATABASE {} RENAME TO {}").format(sql.Identifier(database), sql.Identifier(name)))


def test_a_database_that_only_one_side_knows_after_a_restore(stack: Stack, project_id: str) -> None:
    name = run(stack, payload_for(project_id)).output["database"]["name"]
    rename(stack, name, f"{name}_away")
    facts = [one.fact for one in checkup.examine() if one.remedy]
    rename(stack, f"{name}_away", name)
    assert any(name in fact and fact.endswith("is not there") for fact in facts)
    assert any(f"{name}_away" in fact and fact.endswith("unknown to the control plane") for fact in facts)


def test_a_database_of_the_pool_is_known_and_one_that_only_one_side_knows_is_told(stack: Stack) -> None:
    with refilled(stack):
        ((name,),) = execute(
            stack, "SELECT datname FROM pg_database WHERE starts_with(datname::text, 'provisioner_pool_')"
        )
        facts = [one.fact for one in checkup.examine() if one.remedy]
        rename(stack, name, f"{name}_away")
        apart = [one.fact for one in checkup.examine() if one.remedy]
        rename(stack, f"{name}_away", name)
    assert not any(name in fact for fact in facts)
    assert any(name in fact and fact.endswith("is not there") for fact in apart)
    assert any(f"{name}_away" in fact and fact.endswith("unknown to the control plane") for fact in apart)


def test_a_service_that_does_not_know_its_token(stack: Stack) -> None:
    with changed_secret(stack, TOKENS, auth="wrong"):
        found = wrong()
    assert found.keys() == {"service auth"}
    assert "current token" in found["service auth"].remedy


def test_a_service_that_does_not_answer(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STORAGE_SERVICE_URL", "http://127.0.0.1:1/storage")
    assert "did not answer" in wrong()["service storage"].fact


def test_an_admin_that_is_no_superuser_prepares_a_cluster_by_itself(stack: Stack) -> None:
    document = json.loads(stack.client("secretsmanager").get_secret_value(SecretId=ADMIN)["SecretString"])
    names = {"host": "host", "port": "port", "dbname": "dbname", "username": "user", "password": "password"}
    with closing(psycopg2.connect(**{names[key]: value for key, value in document.items()})) as admin:
        prepare_cluster(admin, document["username"])
    assert "cluster local" not in wrong()


def test_a_deployment_is_examined_with_the_settings_of_its_functions(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {name: value for name in checkup.REQUIRED if (value := os.environ[name])}
    functions = stack.client("lambda")
    for function in functions.list_functions()["Functions"]:
        functions.update_function_configuration(
            FunctionName=function["FunctionName"], Environment={"Variables": settings | {"ALLOW_PLAIN_HTTP": "true"}}
        )
    for name in settings:
        monkeypatch.setenv(name, "")
    deployment = account.find(f"{stack.state_machine_arn}:live")
    assert len(deployment.functions) == 13
    deployment.use_settings()
    assert wrong() == {}
