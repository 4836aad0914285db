"""A shell completes projects, jobs, tenants, clusters, job types and services, and is never kept waiting."""

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import typer

from cli import completing
from cli.app import app
from local.stack import Stack
from tests.cli.pseudo_terminal import PROVISION, environment
from tests.cli.test_help import commands
from tests.conftest import NewProject
from tests.executions.running import Ran, payload_for, run

pytestmark = pytest.mark.slow

NAMES = ("PROJECT", "JOB", "TENANT_ID", "CLUSTER", "ORGANIZATION", "SERVICE")
NOT_COMPLETED = {"deregister TENANT_ID": "what it takes is known to no control plane"}


@pytest.fixture(scope="module")
def ran(stack: Stack, new_project: NewProject) -> Ran:
    return run(stack, payload_for(new_project()))


def complete(line: str, state: Path | None, **variables: str) -> subprocess.CompletedProcess[str]:
    """Ask as bash does: the words of the line, and the number of the one at the cursor."""
    asked = {"COMP_WORDS": line, "COMP_CWORD": str(line.count(" ")), "_PROVISION_COMPLETE": "complete_bash"}
    known = environment(state, **asked) | variables
    return subprocess.run(PROVISION, env=known, capture_output=True, text=True, check=False)


def test_every_name_that_the_api_knows_is_completed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(completing, "_asked", lambda *_: ["found"])
    lacking = {
        f"{path} {called}"
        for path, command in commands().items()
        for one in command.params
        if (called := (one.metavar or "").strip("[]").split("|")[0]) in NAMES
        and not one.shell_complete(typer.Context(command), "")
    }
    assert lacking == set(NOT_COMPLETED)


@pytest.mark.parametrize("command", ["suspend", "show", "watch", "jobs", "psql", "open", "create"])
def test_a_project_is_completed(stack: Stack, ran: Ran, command: str) -> None:
    project = ran.output["project_id"]
    done = complete(f"provision {command} {project[:-1]}", stack.state_directory)
    assert (done.stdout.split(), done.stderr) == ([project], "")


@pytest.mark.parametrize("command", ["job", "watch", "history", "logs"])
def test_a_job_is_completed(stack: Stack, ran: Ran, command: str) -> None:
    done = complete(f"provision {command} {ran.job_id[:-1]}", stack.state_directory)
    assert (done.stdout.split(), done.stderr) == ([ran.job_id], "")


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("provision cluster add lo", "local"),
        ("provision organization show org-t", "org-test"),
        ("provision jobs --type sus", "suspend_project"),
        ("provision plan p --job-type res", "resume_project"),
        ("provision create p --service sto", "storage"),
        ("provision service set sto", "storage"),
        ("provision deregister sto", "storage"),
    ],
)
def test_other_names_are_completed(stack: Stack, ran: Ran, line: str, found: str) -> None:
    done = complete(line, stack.state_directory)
    assert (done.stdout.split(), done.stderr) == ([found], "")


def test_a_tenant_is_completed(stack: Stack, ran: Ran) -> None:
    tenant = ran.output["tenant_id"]
    assert complete(f"provision whose {tenant[:-2]}", stack.state_directory).stdout.split() == [tenant]


def test_the_options_before_a_name_say_where_it_is_asked_for(stack: Stack, ran: Ran) -> None:
    project = ran.output["project_id"]
    line = f"provision show --state-dir {stack.state_directory} {project[:-1]}"
    assert complete(line, None).stdout.split() == [project]


@pytest.mark.parametrize(
    "variables",
    [{}, {"PROVISIONER_ENDPOINT": "https://127.0.0.1:1", "AWS_REGION": "us-east-1"}, {"PROVISIONER_ENDPOINT": "x"}],
)
def test_what_cannot_be_asked_is_silent(variables: dict[str, str]) -> None:
    done = complete("provision show p", None, **variables)
    assert (done.stdout.split(), done.stderr, done.returncode) == (
        [],
        "",
        complete("provision nothing p", None).returncode,
    )


def test_an_api_that_does_not_answer_keeps_nobody_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(completing, "SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("PROVISIONER_ENDPOINT", f"http://127.0.0.1:{silent.getsockname()[1]}")
        monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        context = typer.Context(typer.main.get_command(app))
        started = time.monotonic()
        assert completing.projects(context, "") == []
        # The API's own client would wait for 40 seconds.
        assert time.monotonic() - started < 20


def test_bash_itself_completes_a_project(stack: Stack, ran: Ran, tmp_path: Path) -> None:
    project = ran.output["project_id"]
    (tmp_path / "provision").write_text(f'#!/bin/sh\nexec {sys.executable} -m cli.app "$@"\n')
    (tmp_path / "provision").chmod(0o755)
    known = environment(stack.state_directory) | {"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"}
    known |= {"_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}
    shown = [*PROVISION, "--show-completion", "bash"]
    script = subprocess.run(shown, env=known, capture_output=True, text=True, check=True).stdout
    ask = (
        f"COMP_WORDS=(provision show {project[:-1]}); COMP_CWORD=2;"
        ' $(complete -p provision | sed "s/.*-F \\([^ ]*\\).*/\\1/") provision; echo "${COMPREPLY[@]}"'
    )
    done = subprocess.run(["bash", "-c", f"{script}\n{ask}"], env=known, capture_output=True, text=True, check=False)
    assert done.stdout.split() == [project], done.stderr


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_the_other_shells_are_answered_in_their_own_form(stack: Stack, ran: Ran, shell: str) -> None:
    project = ran.output["project_id"]
    asked = {
        "_PROVISION_COMPLETE": f"complete_{shell}",
        "_TYPER_COMPLETE_ARGS": f"provision show {project[:-1]}",
        "_TYPER_COMPLETE_FISH_ACTION": "get-args",
        "_TYPER_COMPLETE_WORD_TO_COMPLETE": project[:-1],
    }
    known = environment(stack.state_directory, **asked)
    done = subprocess.run(PROVISION, env=known, capture_output=True, text=True, check=False)
    assert (project in done.stdout, done.stderr) == (True, "")
