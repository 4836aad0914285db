"""Whatever a job ends with, its next command is one that test_next_commands.py runs, and the command line takes it."""

import itertools
from collections.abc import Iterator

import pytest
import typer

from cli.app import app
from provisioning.endings import Ending
from provisioning.error_types import ErrorType
from provisioning.jobs.registry import DECLARATIONS
from provisioning.jobs.suspend_project import SUSPEND_PROJECT
from tests.cli.test_next_commands import BLOCKED, MAKING, commands

OUTCOMES = ("failed", "rolled_back", "rollback_incomplete", "stopped", "succeeded")
OWN = {one.command.split()[1] for one in DECLARATIONS.values()}


ASKED = {
    "project_id": "p",
    "organization_id": "o",
    "owner_id": "u",
    "region": "us-east-1",
    "services": {"auth": True, "pooler": True},
    "database": {"storage_gb": 7},
    "metadata": {"team": "a"},
    "plan_id": "0" * 64,
}
"""What a job can be asked for; a type whose schema does not know a field has no option for it."""


def ending(job_type: str, outcome: str, error: ErrorType, *, is_opened: bool, blocker: Ending | None = None) -> Ending:
    return Ending(
        job_id="j",
        job_type=DECLARATIONS[job_type].job_type,  # type: ignore[index]
        project_id="p",
        execution_arn=None,
        outcome=outcome,
        is_opened=is_opened,
        is_rolled_back=False,
        is_compensated=False,
        error_type=str(error),
        message="m",
        stage="initializing",
        attempt=1,
        stage_message=None,
        undone=[],
        left=[],
        unknown=[],
        begun=[],
        last_look=None,
        blocked_by=blocker.job_id if blocker else None,
        blocker=blocker,
    )


def endings() -> Iterator[Ending]:
    """Yield an ending of every job type, outcome and error, opened or refused, with and without a job in the way."""
    for job_type, outcome, error, is_opened in itertools.product(DECLARATIONS, OUTCOMES, ErrorType, (True, False)):
        yield ending(job_type, outcome, error, is_opened=is_opened)
        if not is_opened:
            if outcome == "failed":
                yield ending(job_type, outcome, error, is_opened=False)._replace(payload=ASKED)
            for of_blocker in ("running", "stopped", "rollback_incomplete"):
                blocker = ending(job_type, of_blocker, error, is_opened=True)
                yield ending(job_type, outcome, error, is_opened=False, blocker=blocker)


def kind(words: list[str], own: str) -> tuple[str, ...]:
    """The commands without the one that starts a job of the ending's type, which each type has."""
    return tuple("OWN" if one == own else one for one in words)


def test_every_kind_of_next_command_is_run_by_a_test() -> None:
    run = {kind(words, "suspend" if "suspend" in words else "create") for words in [*MAKING.values(), BLOCKED]}
    found = {
        kind([words[0] for words in commands(one.text, "p")], DECLARATIONS[one.job_type].command.split()[1])
        for one in endings()
        if one.job_type is not None
    }
    assert found - run == set()
    assert len(found) >= 9


@pytest.mark.parametrize("error", ErrorType)
def test_the_command_line_takes_every_next_command(error: ErrorType) -> None:
    root = vars(typer.main.get_command(app))["commands"]
    for one in endings():
        if one.error_type == error:
            for name, *words in commands(one.text, "p"):
                command = root[name]
                if below := getattr(command, "commands", None):
                    command = below[words.pop(0)]
                command.make_context(name, words).close()


def test_a_job_of_any_type_whose_plan_is_stale_is_planned_again() -> None:
    stale = ending(SUSPEND_PROJECT.job_type, "failed", ErrorType.PLAN_STALE, is_opened=False)
    assert stale.next_command == "provision plan p --job-type suspend_project"
