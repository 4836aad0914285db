"""With --json every command prints a JSON document with the fields of what people see; its errors are documents too."""

import json
import subprocess
import uuid
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from cli.history_view import print_history
from cli.outcome_view import print_how_to_invoke
from cli.terminal import console as terminal
from console.executions import Executions
from local.exit_codes import ExitCode
from local.stack import Stack
from local.template import REPOSITORY
from tests.cli.commanding import provision
from tests.cli.examining import ADMIN
from tests.cli.pseudo_terminal import PROVISION, environment
from tests.cli.test_help import commands
from tests.conftest import NewProject
from tests.executions.running import payload_for, run
from tests.executions.stage_faults import STAGES, Fault, failing

pytestmark = pytest.mark.slow

JOB = {"job_id", "job_type", "project_id", "status", "percent", "stage", "steps", "outcome", "ending", "started_by"}
WITHOUT = {"psql": "its output is psql's own"}
"""The commands without a document, and why: docs/command-line.md says so."""
LAPTOP = {"console", "demo", "down", "history", "sam-template", "schema check", "up"}
"""The commands that the tests below call in another way than with CALLS."""
CALLS: dict[str, tuple[list[str], set[str]]] = {
    "create": (["NEW", "--org", "org-test", "--owner", "user-test"], JOB),
    "ls": ([], {"projects", "is_cut"}),
    "show": (["ACTIVE"], {"project_id", "organization_id", "owner_id", "region", "status", "tenant", "services"}),
    "keys": (["ACTIVE"], {"api_keys"}),
    "protect": (["ACTIVE"], {"project_id", "is_protected"}),
    "unprotect": (["ACTIVE"], {"project_id", "is_protected"}),
    "url": (["ACTIVE"], {"project_id", "url"}),
    "env": (["ACTIVE"], {"DATABASE_URL", "ANON_JWT", "SERVICE_ROLE_JWT"}),
    "plan": (["ACTIVE", "--job-type", "suspend_project"], {"plan_id", "cluster", "resources", "calls", "price"}),
    "jobs": ([], {"jobs", "is_cut"}),
    "job": (["JOB"], JOB),
    "watch": (["JOB"], JOB),
    "retry": (["FAILED"], JOB),
    "rollback": (["FAILED"], JOB),
    "export": (["ACTIVE"], JOB),
    "suspend": (["ACTIVE"], JOB),
    "resume": (["SUSPENDED"], JOB),
    "events": ([], {"id", "type", "recorded_at", "project_id", "job_id"}),
    "logs": (["JOB"], {"job_id", "lines"}),
    "whose": (
        ["TENANT"],
        {"tenant_id", "state", "project_id", "organization_id", "owner_id", "job_id", "cluster_id", "host"},
    ),
    "doctor": ([], {"findings", "to_correct"}),
    "migrate": ([], {"message"}),
    "cluster add": (["local", "--secret", ADMIN, "--capacity", "100000"], {"message"}),
    "service list": ([], {"services"}),
    "organization show": (["org-test"], {"organization_id", "limits"}),
    "organization set": (["org-test", "--projects", "1000000"], {"organization_id", "limits"}),
}
"""Each command with its arguments, and fields of its document."""
REFUSED = {
    "deregister auth x": ExitCode.USAGE,
    "erase nobody": ExitCode.NOT_FOUND,
    "stop nobody": ExitCode.NOT_FOUND,
    "rotate no-such-secret": ExitCode.NOT_FOUND,
    "open --console http://127.0.0.1:1": ExitCode.UNAVAILABLE,
    "service set auth --url ftp://nowhere": ExitCode.USAGE,
    "service reset nothing": ExitCode.USAGE,
}
"""Commands that are called so that they change nothing of the stack that others use, and their exit codes."""


def leaves() -> dict[str, Any]:
    return {name: one for name, one in commands().items() if not hasattr(one, "commands")}


def documents(text: str) -> list[dict[str, Any]]:
    """The documents that were printed, one after the other, without the log lines of this process's functions."""
    decoder, found, rest = json.JSONDecoder(), [], text.strip()
    while rest:
        document, end = decoder.raw_decode(rest)
        found += [] if "correlation_id" in document and "level" in document else [document]
        rest = rest[end:].lstrip()
    return found


def test_every_command_takes_json() -> None:
    lacking = {name for name, one in leaves().items() if not any("--json" in option.opts for option in one.params)}
    assert lacking == set(WITHOUT)
    page = (REPOSITORY / "docs" / "command-line.md").read_text()
    assert [why for name, why in WITHOUT.items() if f"`{name}`" not in page or why not in page] == []


def test_every_command_is_called_here() -> None:
    refused = {next(name for name in leaves() if line.startswith(f"{name} ")) for line in REFUSED}
    assert set(CALLS) | refused | LAPTOP | set(WITHOUT) == set(leaves())


def meant(word: str, stack: Stack, new_project: NewProject) -> str:
    """What a word of CALLS stands for: something of this test's own."""
    if word == "NEW":
        return f"new-{uuid.uuid4().hex[:8]}"
    if word == "FAILED":
        with failing(stack, STAGES["creating_schema"], Fault.ERROR):
            return run(stack, payload_for(new_project())).job_id
    if word not in {"ACTIVE", "SUSPENDED", "JOB", "TENANT"}:
        return word
    ran = run(stack, payload_for(new_project()))
    project = str(ran.output["project_id"])
    if word == "SUSPENDED":
        assert provision(stack, "suspend", project) == 0
    return {"JOB": ran.job_id, "TENANT": str(ran.output["tenant_id"])}.get(word, project)


@pytest.mark.parametrize("command", CALLS)
def test_a_command_prints_a_document_with_its_fields(
    stack: Stack, new_project: NewProject, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments, fields = CALLS[command]
    words = [meant(one, stack, new_project) for one in arguments]
    capsys.readouterr()
    code = provision(stack, *command.split(), *words, "--json")
    said = capsys.readouterr()
    assert code in ((0, 1) if command == "doctor" else (0,)), said.err
    assert fields - documents(said.out)[-1].keys() == set(), said.out


@pytest.mark.parametrize(("command", "code"), REFUSED.items())
def test_a_command_that_is_refused_prints_a_document_of_that(
    stack: Stack, command: str, code: ExitCode, capsys: pytest.CaptureFixture[str]
) -> None:
    assert provision(stack, *command.split(), "--json") == code
    said = capsys.readouterr()
    document = json.loads(said.err.splitlines()[-1])
    assert (documents(said.out), document["exit_code"], set(document) >= {"type", "detail"}) == ([], code, True)


def test_a_history_is_a_document_with_whole_times(
    stack: Stack, new_project: NewProject, capsys: pytest.CaptureFixture[str]
) -> None:
    ran = run(stack, payload_for(new_project()))
    capsys.readouterr()
    executions = Executions(stack.client("stepfunctions"), stack.state_machine_arn)
    print_history(ran.job_id, executions, terminal(), as_json=True)
    (document,) = documents(capsys.readouterr().out)
    assert (document["job_id"], document["source"]) == (ran.job_id, "execution")
    assert all(datetime.fromisoformat(one["time"]).tzinfo for one in document["events"])
    assert {"time", "state", "event", "error"} == set(document["events"][0])


def test_the_template_for_sam_is_a_document(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    print_how_to_invoke(tmp_path / "t.yaml", REPOSITORY / "events" / "e.json", terminal(), as_json=True)
    (document,) = documents(capsys.readouterr().out)
    assert (document["template"], document["template"] in document["command"]) == (str(tmp_path / "t.yaml"), True)


def called(state: Path, *arguments: str) -> dict[str, Any]:
    done = subprocess.run(
        [*PROVISION, *arguments, "--json"], env=environment(state), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, dict[str, Any], dict[str, Any]]]:
    """The state directory of a stack in the background, with the documents of its start and its end."""
    state = tmp_path_factory.mktemp("state") / "stack"
    ended: dict[str, Any] = {}
    started = called(state, "up", "--port", "0")
    try:
        yield state, started, ended
    finally:
        if not ended:
            called(state, "down")


def test_a_stack_that_is_started_and_stopped_is_a_document(up: tuple[Path, dict[str, Any], dict[str, Any]]) -> None:
    state, started, ended = up
    assert {"endpoint_url", "state_machine_arn", "credentials", "api", "commands"} == set(started)
    command = [*PROVISION, "console", "--port", "0", "--json"]
    with subprocess.Popen(command, env=environment(state), stdout=subprocess.PIPE, text=True) as serving:
        assert serving.stdout is not None
        printed = "".join(iter(serving.stdout.readline, "}\n")) + "}"
        serving.terminate()
    console = json.loads(printed)["address"]
    assert console.startswith("http://127.0.0.1:")
    ended.update(called(state, "down"))
    assert "stay in" in ended["message"]


def test_the_demo_is_one_document(tmp_path: Path) -> None:
    document = called(tmp_path, "demo")
    assert [one["outcome"] for one in document["jobs"]] == ["succeeded"] * 3
    assert {"table", "row_level_security", "policies"} == set(document["tables"][0])
    assert set(document) == {"jobs", "project", "tables", "seconds", "seconds_with_all"}


def test_a_checked_schema_is_a_document(tmp_path: Path) -> None:
    document = called(tmp_path, "schema", "check")
    assert document["fault"] is None
    assert {"kind", "name", "detail"} == set(document["things"][0])
    assert {"file", "in_a_transaction"} == set(document["files"][0])
