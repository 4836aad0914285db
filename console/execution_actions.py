"""The actions that a job's page offers: what each will do, in words, and doing it."""

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus

from starlette.exceptions import HTTPException
from starlette.requests import Request

from console import actions
from console.addresses import execution_link, name_in
from console.job_view import JobView
from console.setting import Setting


@dataclass(frozen=True)
class Offer:
    """A button with the question that it asks first."""

    name: str
    """The last part of the address that it posts to."""
    button: str
    title: str
    text: str
    sure: str
    """The button that does it."""
    busy: str
    """What that button says while it is done."""
    css_class: str


STOP = Offer(
    "stop",
    "Stop …",
    "Stop this execution?",
    "What the job has created stays until it is rolled back.",
    "Stop it",
    "Stopping …",
    "danger",
)
RETRY = Offer(
    "retry",
    "Retry …",
    "Retry this job?",
    "Starts a new execution with the same payload; a job that was stopped is rolled back.",
    "Retry",
    "Retrying …",
    "main",
)


def offered(shown: JobView) -> list[Offer]:
    """Return what can be done with a job as it is."""
    if not shown.ended:
        return [STOP]
    return [RETRY] if shown.outcome.lower() != "succeeded" else []


def stop(setting: Setting, request: Request, _: Mapping[str, str]) -> str:
    """Stop the execution. Raise ConsoleError, or HTTPException if there is none."""
    machine, shown = _shown(setting, request)
    actions.stop(setting.sources.executions, shown.execution)
    return execution_link(machine, shown.execution.name)


def retry(setting: Setting, request: Request, _: Mapping[str, str]) -> str:
    """Retry the job and return the page of the execution that does. Raise ConsoleError or HTTPException."""
    machine, shown = _shown(setting, request)
    status = shown.progress.status if shown.progress else None
    return execution_link(machine, actions.retry(setting.sources.executions, shown.execution, status))


def _shown(setting: Setting, request: Request) -> tuple[str, JobView]:
    machine, name = (name_in(request.path_params[part]) for part in ("machine", "name"))
    shown = setting.sources.read(name, machine)
    if shown is None:
        raise HTTPException(HTTPStatus.NOT_FOUND)
    return machine, shown
