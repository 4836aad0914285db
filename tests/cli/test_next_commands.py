"""Every command that an ending prints as the next one works as it is printed, with a value for what it leaves open."""

import json
import re
import shlex
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest
from psycopg2 import sql

from cli.app import app
from local.stack import Stack
from provisioning.jobs import registry
from provisioning.jobs.suspend_project import SUSPEND_PROJECT
from tests.cli.commanding import provision
from tests.cli.examining import ADMIN
from tests.executions.running import ended, execute, payload_for, run
from tests.executions.stage_faults import STAGES, Fault, failing, named
from tests.executions.waiting import waiting
from tests.other_server import chosen_version

pytestmark = pytest.mark.slow

OPEN = {"ORGANIZATION": "org-test", "OWNER": "user-test", "CLUSTER": "local", "SECRET": ADMIN, "DATABASES": "100000"}
"""What only the reader of an ending can know."""


@pytest.fixture(autouse=True)
def corrected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a FILE, of what no option says, as the reader of an ending has it."""
    path = tmp_path / "corrected.json"
    path.write_text(json.dumps({"database": {"version": chosen_version()}}))
    monkeypatch.setitem(OPEN, "FILE", str(path))


PROGRAM = re.compile(r"\S*\bprovision (?=[a-z])")


def refuse(*_: object) -> None:
    raise named("Lambda.Unknown")


def unknown(stack: Stack, project_id: str) -> str:
    return run(stack, payload_for(f"un-{project_id}")).job_id


def unknown_to_suspend(stack: Stack, project_id: str) -> str:
    job_type = SUSPEND_PROJECT.job_type
    return ended(stack, stack.start_execution({"project_id": f"un-{project_id}"}, None, job_type)).job_id


def invalid(stack: Stack, project_id: str) -> str:
    return run(stack, payload_for(project_id, api_keys={"count": 0})).job_id


def not_eligible(stack: Stack, project_id: str) -> str:
    run(stack, payload_for(project_id))
    return run(stack, payload_for(project_id)).job_id


def rolled_back(stack: Stack, project_id: str) -> str:
    with failing(stack, STAGES["creating_schema"], Fault.ERROR):
        return run(stack, payload_for(project_id)).job_id


def rollback_incomplete(stack: Stack, project_id: str) -> str:
    with stack.runtime.replaced("DropDatabaseFunction", refuse):
        return rolled_back(stack, project_id)


def refused_by_leftovers(stack: Stack, project_id: str) -> str:
    rollback_incomplete(stack, project_id)
    return run(stack, payload_for(project_id)).job_id


def stopped(stack: Stack, project_id: str) -> str:
    with waiting(stack, project_id) as job_id:
        assert provision(stack, "stop", job_id, "--no-rollback") == 0
    return job_id


def full(stack: Stack, project_id: str) -> str:
    execute(stack, "UPDATE control_plane.clusters SET capacity = 0", "control_plane")
    return run(stack, payload_for(project_id)).job_id


def over_quota(stack: Stack, project_id: str) -> str:
    limit = sql.SQL("UPDATE control_plane.organizations SET projects = {}")
    execute(
        stack, "INSERT INTO control_plane.organizations VALUES ('org-test') ON CONFLICT DO NOTHING", "control_plane"
    )
    execute(stack, limit.format(sql.Literal(0)), "control_plane")
    try:
        return run(stack, payload_for(project_id)).job_id
    finally:
        execute(stack, limit.format(sql.Literal(1_000_000)), "control_plane")


def succeeded(stack: Stack, project_id: str) -> str:
    return run(stack, payload_for(project_id)).job_id


def stale(stack: Stack, project_id: str) -> str:
    return run(stack, payload_for(project_id, plan_id="0" * 64)).job_id


def protected(stack: Stack, project_id: str) -> str:
    run(stack, payload_for(project_id))
    assert provision(stack, "protect", project_id) == 0
    # None of today's job types removes a tenant.
    removing = SUSPEND_PROJECT._replace(removes_tenant=True)
    with pytest.MonkeyPatch.context() as patching:
        patching.setitem(registry.DECLARATIONS, removing.job_type, removing)
        return ended(stack, stack.start_execution({"project_id": project_id}, None, SUSPEND_PROJECT.job_type)).job_id


MAKING: dict[Callable[[Stack, str], str], list[str]] = {
    succeeded: ["show"],
    unknown: ["create"],
    unknown_to_suspend: ["create", "suspend"],
    invalid: ["create"],
    not_eligible: ["show"],
    rolled_back: ["retry"],
    rollback_incomplete: ["rollback", "retry"],
    refused_by_leftovers: ["rollback", "retry"],
    stopped: ["rollback"],
    full: ["cluster", "create"],
    over_quota: ["organization"],
    protected: ["unprotect", "suspend"],
    stale: ["plan"],
}
"""How a job ends, and the commands that its ending names."""
BLOCKED = ["watch", "create"]
"""Those of a job that another one refuses."""


def commands(line: str, project_id: str) -> list[list[str]]:
    """The commands that are next, as they are printed. A payload that is not valid has no project to name."""
    known = OPEN | {"PROJECT": project_id}
    found = PROGRAM.split(line.partition(" Next: ")[2])[1:]
    parts = [re.sub(r"(, then| or|, or)?\s*$", "", part.rstrip(".")) for part in found]
    return [[known.get(word, word) for word in shlex.split(part)] for part in parts]


@pytest.mark.parametrize(("make", "expected"), MAKING.items(), ids=[make.__name__ for make in MAKING])
def test_every_next_command_works_as_it_is_printed(
    stack: Stack,
    project_id: str,
    make: Callable[[Stack, str], str],
    expected: list[str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    job_id = make(stack, project_id)
    capsys.readouterr()
    assert provision(stack, "job", job_id) == 0
    line = [line for line in capsys.readouterr().out.splitlines() if " Next: " in line][-1]
    found = commands(line, project_id)
    assert [words[0] for words in found] == expected, line
    for words in found:
        assert str(stack.state_directory) in words
        with pytest.raises(SystemExit) as stopped_with:
            app(words)
        assert not stopped_with.value.code, (words, capsys.readouterr())


def test_a_job_that_another_blocks_names_what_to_watch(
    stack: Stack, project_id: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with waiting(stack, project_id) as running:
        job_id = f"second-{uuid.uuid4().hex[:8]}"
        run(stack, payload_for(project_id), job_id)
        capsys.readouterr()
        provision(stack, "job", job_id)
        line = [line for line in capsys.readouterr().out.splitlines() if " Next: " in line][-1]
        watch, create = commands(line, project_id)
        assert provision(stack, "stop", running) == 0
    assert ([watch[0], create[0]], watch[-1]) == (BLOCKED, running)
    with pytest.raises(SystemExit):
        app(watch)
    with pytest.raises(SystemExit) as created:
        app(create)
    assert not created.value.code
