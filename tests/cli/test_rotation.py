"""A password is changed on the server and in the secret, whatever happens between the two."""

import json
import uuid
from collections.abc import Callable, Iterator
from typing import Any
from unittest.mock import patch

import psycopg2
import pytest
from psycopg2.extensions import encrypt_password

from cli import rotation
from local.aws_client import make_client
from local.errors import HumanError
from local.stack import Stack
from provisioning import postgres
from provisioning.errors import InsufficientPermissions
from tests.executions.running import execute, payload_for, run
from tests.lagging_secrets_manager import lagging
from tests.provisioning.failing_secrets_manager import answering

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


def staged(client: Any, name: str, stage: str) -> list[str]:
    """The versions of a secret with this label."""
    versions = client.describe_secret(SecretId=name)["VersionIdsToStages"]
    return [version for version, stages in versions.items() if stage in stages]


@pytest.fixture
def secret(client: Any) -> Iterator[Callable[..., str]]:
    """Make a secret with a value, and return its name."""
    names: list[str] = []

    def make(**value: Any) -> str:
        names.append(f"rotated-{uuid.uuid4().hex}")
        client.create_secret(Name=names[-1], **value)
        return names[-1]

    yield make
    for name in names:
        client.delete_secret(SecretId=name, ForceDeleteWithoutRecovery=True)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ({"SecretString": '{"auth": "raw-token"}'}, "has no host, port, dbname, username, password"),
        ({"SecretString": '{"username": "postgres", "password": "raw-password"}'}, "has no host, port, dbname"),
        ({"SecretString": '["raw-password"]'}, "is not a JSON object"),
        ({"SecretBinary": b"raw-password"}, "is binary"),
    ],
)
def test_a_secret_without_database_credentials_is_refused_and_left_as_it_is(
    client: Any, secret: Callable[..., str], value: dict[str, Any], said: str
) -> None:
    name = secret(**value)
    before = client.describe_secret(SecretId=name)["VersionIdsToStages"]
    with pytest.raises(HumanError, match=f"the secret {name} {said}") as refused:
        rotation.rotate(client, name)
    assert "raw-" not in str(refused.value)
    assert client.describe_secret(SecretId=name)["VersionIdsToStages"] == before


def test_the_secret_of_the_service_tokens_is_refused_and_left_as_it_is(stack: Stack, client: Any) -> None:
    before = client.describe_secret(SecretId="provisioner/service-tokens")["VersionIdsToStages"]
    with pytest.raises(HumanError, match="only database credentials can be rotated"):
        rotation.rotate(client, "provisioner/service-tokens")
    assert client.describe_secret(SecretId="provisioner/service-tokens")["VersionIdsToStages"] == before


@pytest.mark.parametrize("changes", [{"port": 1}, {"password": "wrong"}])
def test_a_server_that_cannot_be_reached_leaves_nothing_pending(
    stack: Stack, client: Any, secret: Callable[..., str], changes: dict[str, Any]
) -> None:
    name = secret(SecretString=json.dumps(document(stack, SECRETS[0]) | changes))
    with pytest.raises(HumanError, match="was not changed"):
        rotation.rotate(client, name)
    assert staged(client, name, "AWSPENDING") == []


def test_a_password_that_the_server_refuses_does_not_stay_pending(
    stack: Stack, client: Any, secret: Callable[..., str]
) -> None:
    execute(stack, "CREATE ROLE refused LOGIN PASSWORD 'raw'; GRANT CONNECT ON DATABASE template1 TO refused")
    credentials = document(stack, SECRETS[0]) | {"username": "refused", "password": "raw", "dbname": "template1"}
    name = secret(SecretString=json.dumps(credentials))
    real = encrypt_password

    def rename_the_role_first(*given: Any) -> str:
        execute(stack, "ALTER ROLE refused RENAME TO renamed")
        return str(real(*given))

    with (
        patch("cli.rotation.encrypt_password", rename_the_role_first),
        pytest.raises(HumanError, match='was not changed: role "refused" does not exist'),
    ):
        rotation.rotate(client, name)
    execute(stack, "ALTER ROLE renamed RENAME TO refused")
    assert (staged(client, name, "AWSPENDING"), opens(credentials)) == ([], True)
    execute(stack, "REVOKE CONNECT ON DATABASE template1 FROM refused; DROP ROLE refused")


def test_a_password_that_the_server_may_have_stays_pending_until_the_next_rotation(stack: Stack, client: Any) -> None:
    real, before = rotation._opens, document(stack, SECRETS[0])

    def lose(changed: dict[str, Any]) -> bool:
        assert not real(changed)
        raise psycopg2.OperationalError("server closed the connection unexpectedly")

    with patch.object(rotation, "_opens", lose), pytest.raises(HumanError, match="rotate again, which finishes it"):
        rotation.rotate(client, SECRETS[0])
    assert len(staged(client, SECRETS[0], "AWSPENDING")) == 1
    waiting = client.get_secret_value(SecretId=SECRETS[0], VersionStage="AWSPENDING")["SecretString"]
    rotation.rotate(client, SECRETS[0])
    assert document(stack, SECRETS[0]) == json.loads(waiting) != before
    assert staged(client, SECRETS[0], "AWSPENDING") == []


def test_a_pending_version_that_is_of_no_use_is_withdrawn(stack: Stack, client: Any) -> None:
    client.put_secret_value(SecretId=SECRETS[0], SecretString='{"auth": "stray"}', VersionStages=["AWSPENDING"])
    rotation.rotate(client, SECRETS[0])
    assert staged(client, SECRETS[0], "AWSPENDING") == []
    assert opens(document(stack, SECRETS[0]))


def test_a_pending_version_whose_value_is_not_found_yet_is_kept(
    stack: Stack, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with patch.object(rotation, "_set", side_effect=Died), pytest.raises(Died):
        rotation.rotate(client, SECRETS[0])
    (pending,) = staged(client, SECRETS[0], "AWSPENDING")
    with lagging(stack, monkeypatch) as secrets_manager:
        late = make_client("secretsmanager", secrets_manager.url)
        secrets_manager.hide(pending)
        with pytest.raises(HumanError, match=f"version {pending} of the secret {SECRETS[0]} has no value yet"):
            rotation.rotate(late, SECRETS[0])
        assert staged(client, SECRETS[0], "AWSPENDING") == [pending]
        secrets_manager.catch_up()
        rotation.rotate(late, SECRETS[0])
    assert staged(client, SECRETS[0], "AWSPENDING") == []


def test_a_secret_that_may_not_be_written_is_said_in_one_line_and_changes_nothing(stack: Stack, client: Any) -> None:
    before = document(stack, SECRETS[0])

    def deny(**_: object) -> None:
        raise answering("AccessDeniedException", "User arn:aws:iam::1:user/somebody is not authorized")

    client.meta.events.register_first("before-call.secrets-manager.PutSecretValue", deny)
    with pytest.raises(InsufficientPermissions, match=f"denied access to the secret {SECRETS[0]}"):
        rotation.rotate(client, SECRETS[0])
    assert (document(stack, SECRETS[0]), opens(before)) == (before, True)


def test_no_password_is_in_the_log_of_the_server(stack: Stack, client: Any) -> None:
    rotation.rotate(client, SECRETS[0])
    logs = "".join(path.read_text() for path in (stack.state_directory / "postgres").rglob("*.log"))
    assert "ALTER ROLE" in logs
    assert document(stack, SECRETS[0])["password"] not in logs


def test_a_secret_that_is_not_there_is_said_in_one_line(stack: Stack, client: Any) -> None:
    with pytest.raises(HumanError, match="there is no secret nowhere"):
        rotation.rotate(client, "nowhere")
