"""A password is changed on the server and in the secret, whatever happens between the two."""

import json
from typing import Any
from unittest.mock import patch

import psycopg2
import pytest

from cli import rotation
from local.errors import HumanError
from local.stack import Stack
from provisioning import postgres
from tests.executions.running import execute, payload_for, run

SECRETS = ["provisioner/clusters/local", "provisioner/control-plane"]


class Died(BaseException):
    """The rotation's process is gone."""


def document(stack: Stack, name: str) -> dict[str, Any]:
    answer = stack.client("secretsmanager").get_secret_value(SecretId=name)
    found: dict[str, Any] = json.loads(answer["SecretString"])
    return found


def opens(credentials: dict[str, Any]) -> bool:
    try:
        postgres.connect(credentials, statement_timeout_seconds=5).close()
    except psycopg2.OperationalError:
        return False
    return True


@pytest.fixture
def client(stack: Stack) -> Any:
    return stack.client("secretsmanager")


@pytest.mark.parametrize("secret", SECRETS)
def test_the_new_password_opens_and_the_old_one_no_longer(stack: Stack, client: Any, secret: str) -> None:
    before = document(stack, secret)
    assert "has a new password" in rotation.rotate(client, secret)
    after = document(stack, secret)
    assert before | {"password": after["password"]} == after
    assert (opens(before), opens(after)) == (False, True)


def end_sessions(stack: Stack) -> None:
    """Let every environment connect again, with the password that it reads then."""
    execute(stack, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'provisioner'")


@pytest.mark.parametrize("secret", SECRETS)
def test_projects_are_provisioned_afterwards(stack: Stack, client: Any, project_id: str, secret: str) -> None:
    rotation.rotate(client, secret)
    end_sessions(stack)
    assert run(stack, payload_for(project_id)).status == "SUCCEEDED"


def test_an_attempt_that_meets_the_change_is_repeated(stack: Stack, client: Any, project_id: str) -> None:
    before = document(stack, SECRETS[0])
    client.put_secret_value(SecretId=SECRETS[0], SecretString=json.dumps(before | {"password": "not yet"}))
    end_sessions(stack)
    ran = run(stack, payload_for(project_id))
    client.put_secret_value(SecretId=SECRETS[0], SecretString=json.dumps(before))
    assert (ran.error, ran.waits[:2]) == ("DatabaseCreationFailed", [300.0, 300.0])


@pytest.mark.parametrize("step", ["_set", "_opens"])
def test_a_rotation_that_died_is_finished_by_the_next(stack: Stack, client: Any, step: str) -> None:
    with patch.object(rotation, step, side_effect=Died), pytest.raises(Died):
        rotation.rotate(client, SECRETS[0])
    assert opens(document(stack, SECRETS[0]))
    rotation.rotate(client, SECRETS[0])
    assert opens(document(stack, SECRETS[0]))


def test_a_rotation_that_died_before_its_last_step_is_finished_by_the_next(stack: Stack, client: Any) -> None:
    real = rotation._set

    def dying(*documents: dict[str, Any]) -> None:
        real(*documents)
        raise Died

    with patch.object(rotation, "_set", dying), pytest.raises(Died):
        rotation.rotate(client, SECRETS[0])
    assert not opens(document(stack, SECRETS[0]))
    rotation.rotate(client, SECRETS[0])
    assert opens(document(stack, SECRETS[0]))


def test_no_password_is_in_the_log_of_the_server(stack: Stack, client: Any) -> None:
    rotation.rotate(client, SECRETS[0])
    logs = "".join(path.read_text() for path in (stack.state_directory / "postgres").rglob("*.log"))
    assert "ALTER ROLE" in logs
    assert document(stack, SECRETS[0])["password"] not in logs


def test_a_secret_that_is_not_there_is_said_in_one_line(stack: Stack, client: Any) -> None:
    with pytest.raises(HumanError, match="there is no secret nowhere"):
        rotation.rotate(client, "nowhere")
