"""The actions that a job's page offers: what each will do, in words, and doing it."""

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus

from starlette.exceptions import HTTPException
from starlette.requests import Request

from console import actions, formatting
from console.addresses import execution_link, name_in
from console.errors import ConsoleError
from console.job_view import JobView, Sources
from console.setting import Setting
from console.timeline import Status

MAIN, PLAIN, DANGER = "main", "", "danger"


@dataclass(frozen=True)
class Other:
    """A second button in the question of an offer, which does less."""

    name: str
    """The last part of the address that it posts to."""
    sure: str
    busy: str


@dataclass(frozen=True)
class Offer:
    """A button with the question that it asks first. What destroys is red; the first of a job is its way on."""

    name: str
    """The last part of the address that it posts to."""
    button: str
    title: str
    text: str
    sure: str
    """The button that does it."""
    busy: str
    """What that button says while it is done."""
    command: str
    """The same in a terminal, empty if no command does it."""
    css_class: str = PLAIN
    resources: Sequence[str] = ()
    """What it removes or leaves, as the ledger has it."""
    other: Other | None = None


def offered(shown: JobView, sources: Sources) -> list[Offer]:
    """Return what can be done with a job as it is, its way on first: where waits can end early, the next attempt."""
    waits = not shown.ended and _due(shown) is not None
    now = [_try_now(shown)] if waits and sources.try_now is not None else []
    return [*now, *_offers(shown)]


def _offers(shown: JobView) -> Iterator[Offer]:
    outcome = shown.outcome.lower()
    if not shown.ended:
        yield _stop(shown)
    elif shown.execution.timeline.stages.declared is None:
        # No job type accepts its input again.
        return
    elif actions.redrives(shown.execution, shown.progress.status if shown.progress else None):
        yield _retry(shown, MAIN)
    elif outcome in {"stopped", "rollback_incomplete"} and shown.ending is not None:
        yield _roll_back(shown)
        if outcome == "rollback_incomplete":
            yield _retry(shown, PLAIN)
    elif outcome != "succeeded":
        yield _retry(shown, MAIN)


def _try_now(shown: JobView) -> Offer:
    return Offer(
        "now",
        "Try now …",
        "Make the next attempt now?",
        f"It would come at {formatting.clock(_due(shown))}. The laptop's clock ends the wait; the attempt counts"
        " like any other.",
        "Try now",
        "Trying …",
        f"provision watch {shlex.quote(shown.execution.name)}",
        MAIN,
    )


def _stop(shown: JobView) -> Offer:
    retries = [run.retry for run in shown.execution.timeline.states.values() if run.status is Status.RETRYING]
    waits = [formatting.next_attempt(one, datetime.now(UTC)).partition(", next")[0] for one in retries if one]
    next_is = f" Without it, {waits[0]} comes at {formatting.clock(_due(shown))}." if waits else ""
    ends = f"It ends where it is, at {formatting.stage_words(shown.stage)}.{next_is}"
    if shown.progress is None or shown.execution.timeline.stages.declared is None:
        # The ledger has no job that could be rolled back: a rollback's own execution, or one that has opened nothing.
        return Offer("stop", "Stop …", "Stop this execution?", ends, "Stop it", "Stopping …", "", DANGER)
    command = f"provision stop {shlex.quote(shown.execution.name)}"
    return Offer(
        "stop-and-roll-back",
        "Stop …",
        "Stop this job?",
        f"{ends} The rollback then removes everything that the job has made or claimed. “Stop only” leaves that until"
        " the job is rolled back, which this page offers next.",
        "Stop and roll back",
        "Stopping …",
        f"{command}, or {command} --no-rollback",
        DANGER,
        _existing(shown),
        Other("stop", "Stop only", "Stopping …"),
    )


def _roll_back(shown: JobView) -> Offer:
    job = shlex.quote(shown.execution.name)
    return Offer(
        "rollback",
        "Roll back …",
        "Roll back this job?",
        "Starts an execution that looks for everything that the job made or claimed, and removes it:",
        "Roll back",
        "Starting the rollback …",
        f"provision rollback {job}",
        MAIN,
        (shown.ending.leftovers if shown.ending else []) or _existing(shown),
    )


def _retry(shown: JobView, css_class: str) -> Offer:
    execution = shown.execution
    if actions.redrives(execution, shown.progress.status if shown.progress else None):
        text = "The same execution goes on where it was stopped."
    else:
        text = f"Starts a new execution of “{formatting.job_words(execution.arn)}” with the same payload."
        if shown.outcome.lower() == "rollback_incomplete":
            text += " It takes the place of this job, and what is left of this one is removed:"
    left = list(shown.ending.leftovers) if shown.ending and shown.outcome == "rollback_incomplete" else []
    return Offer(
        "retry",
        "Retry …",
        "Retry this job?",
        text,
        "Retry",
        "Starting …",
        f"provision retry {shlex.quote(execution.name)}",
        css_class,
        left,
    )


def _due(shown: JobView) -> datetime | None:
    """Return when the next attempt comes."""
    due = [run.retry.due for run in shown.execution.timeline.states.values() if run.retry is not None]
    return min(due, default=None)


def _existing(shown: JobView) -> list[str]:
    found = shown.record.resources.existing if shown.record.resources else []
    return [f"{one.kind} {one.name}" for one in found]


def _stopping(setting: Setting, request: Request, _: Mapping[str, str]) -> str:
    machine, shown = _shown(setting, request)
    actions.stop(setting.sources.executions, shown.execution)
    return execution_link(machine, shown.execution.name)


def _stopping_with_rollback(setting: Setting, request: Request, _: Mapping[str, str]) -> str:
    machine, shown = _shown(setting, request)
    rollback = actions.stop_and_roll_back(setting.sources.executions, setting.sources.ledger, shown.execution)
    return execution_link(machine, rollback)


def _retrying(setting: Setting, request: Request, _: Mapping[str, str]) -> str:
    machine, shown = _shown(setting, request)
    status = shown.progress.status if shown.progress else None
    return execution_link(machine, actions.retry(setting.sources.executions, shown.execution, status))


def _rolling_back(setting: Setting, request: Request, _: Mapping[str, str]) -> str:
    machine, shown = _shown(setting, request)
    return execution_link(machine, actions.start_rollback(setting.sources.executions, shown.execution))


def _trying_now(setting: Setting, request: Request, _: Mapping[str, str]) -> str:
    machine, shown = _shown(setting, request)
    if setting.sources.try_now is None:
        raise ConsoleError("only a laptop's stack can end a wait early")
    setting.sources.try_now(shown.execution.name)
    return execution_link(machine, shown.execution.name)


ACTIONS = {
    "now": _trying_now,
    "stop": _stopping,
    "stop-and-roll-back": _stopping_with_rollback,
    "retry": _retrying,
    "rollback": _rolling_back,
}
"""What each does. It returns the address where to go on, and raises ConsoleError, or HTTPException for no execution."""


def _shown(setting: Setting, request: Request) -> tuple[str, JobView]:
    machine, name = (name_in(request.path_params[part]) for part in ("machine", "name"))
    shown = setting.sources.read(name, machine)
    if shown is None:
        raise HTTPException(HTTPStatus.NOT_FOUND)
    return machine, shown
