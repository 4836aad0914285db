import json
import os
import re
import shlex
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.app import app
from cli.terminal import typed
from local.exit_codes import ExitCode
from local.template import REPOSITORY

pytestmark = pytest.mark.slow

EVENT = REPOSITORY / "events" / "provision_project.json"
NEEDING_A_STACK = (
    f"create --from {shlex.quote(str(EVENT))}; job j; watch j; stop j; events; history j; rollback j; retry j;"
    " suspend p; resume p; migrate; keys p --reveal; ls; jobs; show p; whose t; deregister auth t; erase p"
)


def provision(*arguments: str | Path, state: Path | None = None, expect: int = 0) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "cli.app", *map(str, arguments)]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env=in_state(state), stdin=subprocess.DEVNULL
    )
    assert done.returncode == expect, done.stdout + done.stderr
    return done


def in_state(state: Path | None) -> dict[str, str]:
    path = os.pathsep.join([str(REPOSITORY), str(REPOSITORY / "functions")])
    return os.environ | {"PYTHONPATH": path} | ({"PROVISIONER_STATE_DIR": str(state)} if state else {})


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A stack in the background, on which the sample project has been provisioned. Its state directory."""
    state = tmp_path_factory.mktemp("state") / "stack"
    provision("up", "--port", "0", state=state)
    try:
        provision("create", "--from", EVENT, state=state)
        yield state
    finally:
        provision("down", state=state)


def one_line(error: str) -> str:
    assert error.startswith("provision: ")
    assert error.count("\n") == 1
    return error.removeprefix("provision: ").strip()


@pytest.mark.parametrize("command", NEEDING_A_STACK.split("; "))
def test_a_stack_that_is_not_up_is_said_in_one_line(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        app([*shlex.split(command), "--state-dir", str(tmp_path)])
    assert ended.value.code == ExitCode.UNAVAILABLE
    assert one_line(capsys.readouterr().err) == typed("the stack is not running: start it with `provision up`")


def test_nothing_to_stop_is_said_in_one_line(tmp_path: Path) -> None:
    assert "no stack is running" in one_line(provision("down", state=tmp_path, expect=7).stderr)


def test_a_taken_port_is_said_in_one_line(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        error = one_line(provision("up", "--port", str(port), state=tmp_path, expect=5).stderr)
    assert error == f"port {port} of 127.0.0.1 is taken: stop what listens there, or choose another"


def test_up_twice_is_said_in_one_line(up: Path) -> None:
    assert "the stack is already running: http://127.0.0.1:" in one_line(provision("up", state=up, expect=4).stderr)


def test_a_missing_event_is_said_in_one_line(up: Path) -> None:
    assert (
        one_line(provision("create", "--from", "none.json", state=up, expect=2).stderr) == "there is no file none.json"
    )


def test_bad_json_is_said_in_one_line(up: Path, tmp_path: Path) -> None:
    event = tmp_path / "event.json"
    event.write_text('{"project_id": }')
    error = one_line(provision("create", "--from", event, state=up, expect=2).stderr)
    assert error == f"{event} is not JSON: Expecting value in line 1, column 16"


@pytest.mark.parametrize("command", ["job", "watch", "show", "stop", "rollback", "retry", "suspend", "keys"])
def test_what_is_no_project_and_no_job_is_said_in_one_line(up: Path, command: str) -> None:
    error = one_line(provision(command, "nobody", state=up, expect=3).stderr)
    assert error == "there is no project and no job nobody"


def test_a_history_of_no_job_is_said_in_one_line(up: Path) -> None:
    assert one_line(provision("history", "nobody", state=up, expect=3).stderr) == "there is no job nobody"


@pytest.mark.parametrize("option", ["--reveal", "--jwt"])
def test_an_unknown_project_is_said_in_one_line(up: Path, option: str) -> None:
    assert "nobody" in one_line(provision("keys", "nobody", option, state=up, expect=3).stderr)


@pytest.mark.parametrize(("name", "code"), [("x" * 20, 3), ("postgres", 2)])
def test_an_unknown_tenant_is_said_in_one_line(up: Path, name: str, code: int) -> None:
    assert name in one_line(provision("whose", name, state=up, expect=code).stderr)


def test_an_impossible_project_id_is_said_in_one_line(up: Path) -> None:
    done = provision("create", "a b", "--org", "o", "--owner", "u", state=up, expect=2)
    assert "project_id" in one_line(done.stderr)


def test_keys_are_shown_once(up: Path) -> None:
    assert len(re.findall(r"\bdemo_\w+", provision("keys", "demo-project", "--reveal", state=up).stdout)) == 3
    where, key, error = provision("keys", "demo-project", "--reveal", state=up, expect=5).stderr.splitlines()
    assert (where.split(",")[0], key.split()[0]) == ("account 123456789012", "key")
    error = one_line(f"{error}\n")
    assert re.fullmatch(r"the keys of demo-project were revealed at 20[0-9: -]+: they are shown only once", error)


def test_a_project_of_ones_own_can_be_provisioned_and_looked_at(up: Path) -> None:
    output = provision("create", "shop", "--org", "o", "--owner", "u", state=up).stdout
    (job,) = re.findall(r"^Job (\S+)$", output, re.MULTILINE)
    assert "succeeded, 100 %, completed, project shop" in provision("job", job, state=up).stdout
    history = provision("history", job, state=up).stdout
    assert re.search(r"Create tenant database +succeeded", history)


def test_a_job_of_any_type_is_started_by_its_command_or_from_a_file(up: Path, tmp_path: Path) -> None:
    again = tmp_path / "again.json"
    again.write_text('{"project_id": "closed"}')
    provision("create", "closed", "--org", "o", "--owner", "u", state=up)
    assert "succeeded. Next: " in provision("suspend", "closed", state=up).stdout
    assert "closed in us-east-1, suspended" in provision("show", "closed", state=up).stdout
    assert "succeeded. Next: " in provision("resume", "closed", "--from", again, state=up).stdout
    assert "closed in us-east-1, active" in provision("show", "closed", state=up).stdout


def test_a_live_tenant_cannot_be_rolled_back(up: Path) -> None:
    output = provision("create", "live", "--org", "o", "--owner", "u", state=up).stdout
    (job,) = re.findall(r"^Job (\S+)$", output, re.MULTILINE)
    error = provision("rollback", job, state=up, expect=5).stderr
    assert f"the job {job} is succeeded: there is nothing to roll back" in error
    assert "succeeded, 100 %" in provision("job", job, state=up).stdout


def test_migrating_twice_changes_nothing(up: Path) -> None:
    assert provision("migrate", state=up).stdout == "The control plane is already at the newest version.\n"


def test_the_printed_command_starts_a_job_that_the_ledger_knows_after_a_restart(tmp_path: Path) -> None:
    state = tmp_path / "stack"
    printed = provision("up", "--port", "0", state=state).stdout
    try:
        line = next(line for line in printed.splitlines() if " stepfunctions " in line)
        words = shlex.split(line)
        options = dict(zip(words[6::2], words[7::2], strict=True))
        assert words[:6] == [
            f"AWS_SHARED_CREDENTIALS_FILE={state / 'credentials'}",
            *("aws", "--profile", "laptop", "stepfunctions", "start-execution"),
        ]
        assert Path(options["--input"].removeprefix("file://")).resolve() == EVENT
        short = next(line for line in printed.splitlines() if "provision create" in line)
        ran = subprocess.run(short, shell=True, capture_output=True, text=True, check=False, env=in_state(state))  # noqa: S602
        assert (ran.returncode, "succeeded. Next: " in ran.stdout) == (0, True), ran.stderr
        job = start(options, state)
        provision("down", state=state)
        assert options["--endpoint-url"] in provision("up", state=state).stdout
        assert "this comes from the ledger" in provision("history", job, state=state).stdout
    finally:
        provision("down", state=state)


def test_the_demo_provisions_lists_the_tables_suspends_and_resumes() -> None:
    output = provision("demo").stdout
    assert "succeeded. Next: " in output
    assert "tenant.users" in output
    assert "is suspended.\nprovision resume demo-project: succeeded, the project is active.\n" in output
    took = r"Provisioned in \d+\.\d s, \d+\.\d s with the start of the stack, a suspension and a resumption\.\n"
    assert re.search(took + r"For the execution view: \S*provision up, then \S*provision console\.\n$", output)
    readme = (REPOSITORY / "README.md").read_text()
    assert outcome(output) == outcome(readme[readme.index("\nsucceeded. Next: ") : readme.index("\n## Three ways in")])


CHANGING = r"[a-z]{20}(-\w{6})?|[0-9a-f-]{36}|\d{4}-\d\d-\d\dT\S+|(?<=\.\.\.)\w+|\d{3,}"


def outcome(printed: str) -> list[str]:
    """Return the words in which a run has ended, without what differs from run to run."""
    ended = printed[printed.index("\nsucceeded. Next: ") : printed.index("\nProvisioned in")]
    return re.sub(CHANGING, "…", re.sub(r"\S*/bin/provision", "provision", ended)).split()


def start(options: dict[str, str], state: Path) -> str:
    from local import access_key
    from local.aws_client import make_client

    client = make_client("stepfunctions", options["--endpoint-url"], access_key.read(state))
    arn = client.start_execution(
        stateMachineArn=options["--state-machine-arn"], input=json.dumps(json.loads(EVENT.read_text()))
    )["executionArn"]
    while client.describe_execution(executionArn=arn)["status"] == "RUNNING":
        pass
    return str(arn.rpartition(":")[2])


def test_watch_ends_with_the_outcome_of_the_job(up: Path) -> None:
    recorded = state_of(up)
    job = start(recorded, up)
    document = json.loads(provision("watch", job, "--json", state=up, expect=1).stdout.splitlines()[-1])
    assert (document["outcome"], document["ending"]["error_type"]) == ("failed", "PROJECT_NOT_ELIGIBLE")


def state_of(directory: Path) -> dict[str, str]:
    """Return the options with which the AWS CLI reaches a running stack."""
    recorded = json.loads((directory / "stack.json").read_text())
    return {"--endpoint-url": recorded["endpoint_url"], "--state-machine-arn": recorded["state_machine_arn"]}


def test_a_console_of_another_endpoint_needs_its_state_machine() -> None:
    assert "needs --state-machine-arn" in provision("console", "--endpoint-url", "http://x", expect=2).stderr
    assert "is not the ARN" in provision("console", "--state-machine-arn", "x", expect=2).stderr
