"""provision keys --reveal and --jwt ask the HTTP API, and read the secrets with the caller's own rights."""

import json
from unittest.mock import patch

import pytest
from botocore.exceptions import ClientError

from cli import api_aws
from cli.app import app
from local.exit_codes import ExitCode
from local.stack import Stack
from tests.cli.commanding import api_of, printed, provision
from tests.cli.test_create import key_in
from tests.executions.running import payload_for, run

KINDS = ("publishable", "secret")


@pytest.fixture
def provisioned(stack: Stack, project_id: str, capsys: pytest.CaptureFixture[str]) -> str:
    """A project whose keys wait in their secret."""
    run(stack, payload_for(project_id))
    capsys.readouterr()
    return project_id


def keys_in(lines: list[str]) -> dict[str, str]:
    return {words[0]: words[1] for line in lines if len(words := line.split()) == 2 and words[0] in KINDS}


def test_the_keys_that_are_revealed_are_those_of_the_hints(
    stack: Stack, provisioned: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert provision(stack, "keys", provisioned, "--reveal") == 0
    said = capsys.readouterr()
    found = keys_in(said.out.splitlines())
    known = api_of(stack).get(f"/v1/projects/{provisioned}/api-keys")["api_keys"]
    assert {kind: key[-4:] for kind, key in found.items()} == {key["kind"]: key["hint"] for key in known}
    assert f"stack laptop, project {provisioned}\n" in said.err
    assert not any(key in said.err for key in found.values())


def test_a_lost_output_is_shown_again_with_its_key_and_with_no_other(
    stack: Stack, provisioned: str, capsys: pytest.CaptureFixture[str]
) -> None:
    provision(stack, "keys", provisioned, "--reveal")
    first = capsys.readouterr()
    assert provision(stack, "keys", provisioned, "--reveal", "--key", key_in(first.err)) == 0
    assert keys_in(printed(capsys)) == keys_in(first.out.splitlines())
    assert provision(stack, "keys", provisioned, "--reveal", "--key", "another") == ExitCode.CONFLICT
    said = capsys.readouterr()
    assert keys_in(said.out.splitlines()) == {}
    assert f"the keys of {provisioned} were revealed at 20" in said.err


def test_keys_whose_secret_may_not_be_read_are_not_lost(
    stack: Stack, provisioned: str, capsys: pytest.CaptureFixture[str]
) -> None:
    class Denied:
        def get_secret_value(self, **_: str) -> None:
            raise ClientError({"Error": {"Code": "AccessDeniedException"}}, "GetSecretValue")

    with patch.object(api_aws, "client", lambda *_: Denied()):
        assert provision(stack, "keys", provisioned, "--reveal") == ExitCode.DENIED
    key = key_in(capsys.readouterr().err)
    assert provision(stack, "keys", provisioned, "--reveal", "--key", key) == 0
    assert set(keys_in(printed(capsys))) == set(KINDS)


def test_keys_whose_secret_was_removed_are_not_found(
    stack: Stack, provisioned: str, capsys: pytest.CaptureFixture[str]
) -> None:
    provision(stack, "keys", provisioned, "--reveal", "--json")
    said = capsys.readouterr()
    document = json.loads("{" + said.out.partition("{\n")[2])
    assert [set(one) >= {"kind", "key"} for one in document["api_keys"]] == [True, True]
    arn = document["secret_arn"]
    stack.client("secretsmanager").delete_secret(SecretId=arn, ForceDeleteWithoutRecovery=True)
    code = provision(stack, "keys", provisioned, "--reveal", "--key", key_in(said.err))
    assert (code, "their secret has been removed" in capsys.readouterr().err) == (ExitCode.NOT_FOUND, True)


@pytest.mark.parametrize(("option", "told"), [("--reveal", "_secret_"), ("--jwt", "eyJ")])
def test_an_endpoint_and_the_callers_own_key_are_enough(
    stack: Stack, provisioned: str, capsys: pytest.CaptureFixture[str], option: str, told: str
) -> None:
    with pytest.raises(SystemExit) as ended:
        app(["keys", provisioned, option, "--endpoint", stack.endpoint_url, "--aws-region", "us-east-1"])
    assert (ended.value.code, told in capsys.readouterr().out) == (0, True)


def test_a_key_of_no_reveal_is_refused(stack: Stack, capsys: pytest.CaptureFixture[str]) -> None:
    assert provision(stack, "keys", "p", "--key", "k") == ExitCode.USAGE
    assert "give --reveal too" in capsys.readouterr().err
