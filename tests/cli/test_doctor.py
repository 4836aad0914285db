"""provision doctor finds each thing that can be wrong, with its remedy, and no finding hides another."""

import shutil
from pathlib import Path

import pytest
from psycopg2 import sql

from cli import deployment as deployments
from cli import doctor
from local.bootstrap import CONTROL_PLANE_OWNER
from local.stack import Stack
from provisioning.jobs.registry import DECLARATIONS
from provisioning.services import client as service_client
from provisioning.stage import Service
from tests import shipped
from tests.cli.examining import WITHOUT_FSYNC, changed_secret, examined, wrong
from tests.executions.running import execute
from upkeep import migrate

TOKENS = "provisioner/service-tokens"
CONTROL_PLANE = "provisioner/control-plane"


@pytest.fixture(autouse=True)
def fresh(stack: Stack) -> None:
    """A doctor has no environment that was there before."""
    service_client._environment.__dict__.clear()


def test_nothing_is_wrong_with_a_stack_that_has_just_started(stack: Stack) -> None:
    found = examined()
    services = [f"service {service}" for service in Service]
    subjects = ["settings", "control plane", "events", "cluster local", "secrets", *services]
    assert [(one.subject, one.remedy) for one in found] == [(name, "") for name in [*subjects, "permissions"]]
    assert not found[-1].checked


def test_the_control_plane_is_named_by_its_id(stack: Stack) -> None:
    ((identity,),) = execute(stack, "SELECT control_plane_id FROM control_plane.identity", "control_plane")
    (found,) = [one for one in examined() if one.subject == "control plane"]
    assert found.fact.startswith(f"{identity}, reached on ")


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
    with changed_secret(stack, CONTROL_PLANE, port=1):
        found = wrong()
    assert found.keys() == {"control plane", "clusters"}
    assert "security group" in found["control plane"].remedy


def test_a_secret_that_lacks_a_member(stack: Stack) -> None:
    with changed_secret(stack, CONTROL_PLANE, password=None):
        assert wrong()["control plane"].fact.endswith("has no password")


def test_a_secret_that_is_not_there(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SERVICE_TOKENS_SECRET_ID", "nowhere")
    assert wrong()["service auth"].fact == "the secret nowhere does not exist"


def test_a_schema_that_is_older_than_the_code(stack: Stack, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    newer = shutil.copytree(migrate.MIGRATIONS, tmp_path / "migrations")
    (newer / "9999_next.sql").write_text("SELECT 1;")
    monkeypatch.setattr(migrate, "MIGRATIONS", newer)
    assert "lacks 9999_next" in wrong()["control plane"].fact


@pytest.mark.parametrize("encoding", ["SQL_ASCII", "LATIN1"])
def test_a_control_plane_that_does_not_take_every_letter(stack: Stack, encoding: str) -> None:
    statement = "CREATE DATABASE elsewhere OWNER {} TEMPLATE template0 ENCODING {} LOCALE_PROVIDER libc LOCALE 'C'"
    execute(stack, sql.SQL(statement).format(sql.Identifier(CONTROL_PLANE_OWNER), sql.Literal(encoding)))
    try:
        with changed_secret(stack, CONTROL_PLANE, dbname="elsewhere"):
            found = [one for one in examined() if "encoded as" in one.fact]
    finally:
        execute(stack, "DROP DATABASE elsewhere WITH (FORCE)")
    assert [one.fact.partition(" is ")[2] for one in found] == [f"encoded as {encoding}"]
    assert "--encoding UTF8" in found[0].remedy


def test_servers_that_lose_commits_in_a_crash(stack: Stack) -> None:
    found = [one for one in doctor.examine() if WITHOUT_FSYNC in one.fact]
    assert [one.subject for one in found] == ["control plane", "cluster local"]
    statements = "ALTER SYSTEM SET fsync = on; SELECT pg_reload_conf();"
    assert {one.remedy for one in found} == {f"on the server, as a superuser: {statements}"}


def test_a_service_that_does_not_know_its_token(stack: Stack) -> None:
    with changed_secret(stack, TOKENS, auth="wrong"):
        found = wrong()
    assert found.keys() == {"service auth"}
    assert "current token" in found["service auth"].remedy


def test_a_service_that_does_not_answer(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STORAGE_SERVICE_URL", "http://127.0.0.1:1/storage")
    assert "did not answer" in wrong()["service storage"].fact


def test_a_deployment_is_examined_with_the_settings_of_its_functions(stack: Stack, deployed: str) -> None:
    assert wrong().keys() >= {"settings", "control plane", "clusters"}
    deployment = deployments.find(deployed)
    invoked = {task["Parameters"]["FunctionName"] for one in DECLARATIONS for task in shipped.tasks(one).values()}
    assert len(deployment.functions) == len(invoked)
    deployment.use_settings()
    assert wrong() == {}
