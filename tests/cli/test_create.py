"""`provision create` adds a project and provisions it, once for a key, after its payload was checked."""

import io
import json
import uuid
from pathlib import Path
from unittest.mock import patch

import pytest

from cli.terminal import typed
from local import http_api
from local.lambda_environment import Handler
from local.stack import Stack
from tests.cli.commanding import api_of, printed, provision
from tests.conftest import ORGANIZATION, OWNER

WHOSE = ("--org", ORGANIZATION, "--owner", OWNER)


@pytest.fixture
def unknown() -> str:
    """The id of a project that nobody has added."""
    return f"new-{uuid.uuid4().hex[:8]}"


def jobs_of(stack: Stack, project_id: str) -> list[tuple[str, str]]:
    found, _ = api_of(stack).rows("/v1/jobs", "jobs", 10, project_id=project_id)
    return [(job["job_id"], job["status"]) for job in found]


def key_in(err: str) -> str:
    """The key that a command has printed."""
    return next(line.split()[1] for line in err.splitlines() if line.startswith("key "))


def test_a_project_is_added_and_provisioned_with_its_services(
    stack: Stack, unknown: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert provision(stack, "create", unknown, *WHOSE, "--service", "auth", "--service", "storage") == 0
    said = capsys.readouterr()
    lines = [line for line in said.out.splitlines() if not line.startswith("{")]
    ((job_id, status),) = jobs_of(stack, unknown)
    assert (lines[0], status) == (f"Job {job_id}", "succeeded")
    assert lines[-1] == typed(f"succeeded. Next: provision show {unknown}.")
    assert f"account 123456789012, region us-east-1, stack laptop, project {unknown}\n" in said.err
    services = {one["service"] for one in api_of(stack).project(unknown)["services"]}
    assert services == {"auth", "storage"}


def test_the_same_key_is_the_same_job(stack: Stack, unknown: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert provision(stack, "create", unknown, *WHOSE) == 0
    key = key_in(capsys.readouterr().err)
    assert provision(stack, "create", unknown, *WHOSE, "--key", key) == 0
    assert len(jobs_of(stack, unknown)) == 1
    assert provision(stack, "create", unknown, *WHOSE) == 4
    assert f"the project {unknown} already exists" in capsys.readouterr().err


def test_a_project_that_was_added_before_needs_only_its_id(stack: Stack, project_id: str) -> None:
    assert provision(stack, "create", project_id) == 0
    assert [status for _, status in jobs_of(stack, project_id)] == ["succeeded"]


def test_a_start_that_is_repeated_is_the_same_start(
    stack: Stack, project_id: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert provision(stack, "create", project_id, *WHOSE) == 0
    key = key_in(capsys.readouterr().err)
    assert provision(stack, "create", project_id, *WHOSE, "--key", key) == 0
    assert len(jobs_of(stack, project_id)) == 1


def test_a_project_of_somebody_else_is_not_provisioned(
    stack: Stack, project_id: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert provision(stack, "create", project_id, "--org", "other", "--owner", "other") == 4
    assert jobs_of(stack, project_id) == []


def test_nobody_waits_with_no_wait(stack: Stack, unknown: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert provision(stack, "create", unknown, *WHOSE, "--no-wait") == 0
    job, following = [line for line in printed(capsys) if line.startswith(("Job ", "Next: "))]
    job_id = job.removeprefix("Job ")
    assert following == typed(f"Next: provision watch {job_id}.")
    assert provision(stack, "watch", job_id) == 0


@pytest.mark.parametrize("source", ["file", "standard input"])
def test_a_payload_comes_from_a_file_or_standard_input_and_options_win(
    stack: Stack, unknown: str, source: str, tmp_path: Path
) -> None:
    payload = {"project_id": "another", "organization_id": ORGANIZATION, "owner_id": OWNER, "services": {"auth": True}}
    file = tmp_path / "payload.json"
    file.write_text(json.dumps(payload))
    with patch("sys.stdin", io.TextIOWrapper(io.BytesIO(file.read_bytes()))):
        given = str(file) if source == "file" else "-"
        assert provision(stack, "create", unknown, "--from", given, "--service", "pooler") == 0
    assert {one["service"] for one in api_of(stack).project(unknown)["services"]} == {"auth", "pooler"}


def test_all_problems_are_named_before_anything_is_sent(
    stack: Stack, unknown: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "payload.json"
    file.write_text('{"api_keys": {"count": 0}, "region": 7}')
    asked: list[str] = []

    def spying(handler: Handler) -> Handler:
        def handle(event: object, context: object) -> object:
            asked.append(event["requestContext"]["http"]["method"])  # type: ignore[index]
            return handler(event, context)

        return handle

    from api.requests import answer_request

    with stack.runtime.replaced(http_api.FUNCTION, spying(answer_request)):
        assert provision(stack, "create", unknown, "--from", str(file), "--service", "strage") == 2
    said = capsys.readouterr().err
    assert "services.strage: is not a known field, did you mean storage?" in said
    for problem in ("api_keys.count: must be at least 1", "region (--region): must be of type string"):
        assert problem in said
    for name in ("organization_id (--org)", "owner_id (--owner)"):
        assert f"{name}: is required" in said
    assert set(asked) == {"GET"}


def test_without_a_name_nothing_is_created(stack: Stack, capsys: pytest.CaptureFixture[str]) -> None:
    assert provision(stack, "create", *WHOSE) == 2
    assert "which project?" in capsys.readouterr().err
