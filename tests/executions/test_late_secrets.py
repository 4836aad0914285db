"""Jobs while Secrets Manager does not find yet what was just made, or still finds what was just removed."""

from typing import Any

import pytest

from local.lambda_environment import Handler
from local.stack import Stack
from tests.executions.last_look import look_last
from tests.executions.running import SERVICES, payload_for, replaced, run, seconds_between_attempts
from tests.executions.stage_faults import named
from tests.executions.worlds import look, problems_after_last_look, problems_of_provisioned
from tests.lagging_secrets_manager import lagging

API_KEYS = "/api-keys/"


def fail(handler: Handler, event: Any, context: Any) -> Any:
    raise named("Lambda.Unknown")


def test_a_job_succeeds_although_the_first_read_misses_each_secret(
    stack: Stack, project_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    payload = payload_for(project_id, *SERVICES)
    with lagging(stack, monkeypatch, reads=1) as secrets_manager:
        ran = run(stack, payload)
    assert (ran.status, ran.waits) == ("SUCCEEDED", [300.0, 300.0])
    assert secrets_manager.missed == ["GetSecretValue", "BatchGetSecretValue"]
    assert problems_of_provisioned(look(stack, project_id), payload) == []


def test_a_job_succeeds_with_a_lag_of_two_seconds(
    stack: Stack, project_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    payload = payload_for(project_id)
    with lagging(stack, monkeypatch, seconds=2.0) as secrets_manager, seconds_between_attempts(stack, 2.0):
        ran = run(stack, payload)
    assert (ran.status, secrets_manager.missed) == ("SUCCEEDED", ["GetSecretValue", "BatchGetSecretValue"])
    assert problems_of_provisioned(look(stack, project_id), payload) == []


@pytest.mark.parametrize("only", ["", API_KEYS], ids=["every secret", "the keys' secret"])
def test_a_rollback_removes_a_secret_that_no_read_finds(
    stack: Stack, project_id: str, monkeypatch: pytest.MonkeyPatch, only: str
) -> None:
    with lagging(stack, monkeypatch, only=only) as secrets_manager:
        ran = run(stack, payload_for(project_id, *SERVICES))
    assert (ran.status, ran.error) == ("FAILED", "SecretsUnavailable")
    assert "DescribeSecret" in secrets_manager.missed
    assert look(stack, project_id).secrets == []
    assert problems_after_last_look(stack, project_id) == []


@pytest.mark.parametrize("only", ["", API_KEYS], ids=["every secret", "the keys' secret"])
def test_the_ending_names_the_last_look_which_removes_what_a_deletion_missed(
    stack: Stack, project_id: str, monkeypatch: pytest.MonkeyPatch, only: str
) -> None:
    with lagging(stack, monkeypatch, only=only) as secrets_manager:
        secrets_manager.deletions_miss = True
        ran = run(stack, payload_for(project_id, *SERVICES))
        left = [secret["name"] for secret in look(stack, project_id).secrets]
        secrets_manager.catch_up()
        (found,) = look_last(stack, project_id)
    assert "the last look at its secret is due at" in ran.cause
    assert left != []
    assert [name for name in left if name not in found] == []
    assert problems_after_last_look(stack, project_id) == []


def test_a_compensation_that_still_finds_what_it_removed_is_repeated(
    stack: Stack, project_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with lagging(stack, monkeypatch, reads=0) as secrets_manager, replaced(stack, "FinalizeFunction", fail):
        secrets_manager.deletions_are_late = True
        ran = run(stack, payload_for(project_id, *SERVICES))
    assert ". Rolled back: " in ran.cause
    assert look(stack, project_id).jobs[0]["status"] == "rolled_back"
    assert problems_after_last_look(stack, project_id) == []
