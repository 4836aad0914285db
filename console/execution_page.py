"""The page of one execution: its drawing, stages and ledger, what it created, and every event."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from starlette.requests import Request

from console import formatting
from console.addresses import execution_link, name_in
from console.answers import is_stream
from console.boxes import Mark
from console.drawing import drawing
from console.execution_actions import offered
from console.gantt import gantt
from console.history import Event, details_of
from console.job_view import JobView, Sources
from console.logs import Lines
from console.remembered import remembered_page
from console.render import event_summary
from console.setting import Setting
from console.state_machines import machine_of
from console.timeline import Attempt, StateRun, Status
from console.view import Part, View
from provisioning.endings import Ending
from provisioning.ledger.progress import Resources

POLL_SECONDS = 1.0
POLL_SECONDS_AFTER_THE_END = 5.0
"""An ended execution can only be redriven."""

LEGEND = ("waiting", "running", "retrying", "succeeded", "failed", "skipped", "compensated")
TABS = ("events", "resources", "ledger", "definition")
FILTERED = ("id", "type", "state", "summary")


def execution_page(setting: Setting, request: Request) -> View:
    """Return the page of an execution, in one state machine or the first that has one of that name.

    Its query names the chosen state, whether folded states are shown, and what the events are searched for. Raise
    ConsoleError, or HTTPException if there is no such execution and the ledger knows no such job.
    """
    name, machine = (name_in(request.path_params.get(part, "")) for part in ("name", "machine"))
    shown = setting.sources.read(name, machine)
    if shown is None:
        return remembered_page(setting, name)
    query = request.query_params
    chosen = chosen_state(shown, query.get("state", ""))
    return View(
        title=formatting.legible(shown.execution.project_id or name),
        template="execution",
        context={
            "statuses": LEGEND,
            "tabs": TABS,
            "tab": _tab(shown, query.get("tab", "")),
            "search": query.get("events", ""),
            "link": link_to(shown),
        },
        parts={
            **_headings(setting, shown),
            "picture": _picture(shown, chosen, folded="unfold" not in query),
            "stages": Part("stages", {"chart": gantt(shown.execution.timeline, datetime.now(UTC)), "chosen": chosen}),
            "state": _state(setting.sources, shown, chosen, read_logs=is_stream(request)),
            "ledger": Part("ledger", {"progress": shown.progress, "problem": shown.record.problem}),
            "resources": _resources(shown.record.resources, shown.ending, ended=shown.ended),
            "events": _events(shown, query.get("events", "")),
        },
        poll_seconds=POLL_SECONDS_AFTER_THE_END if shown.ended else POLL_SECONDS,
    )


def link_to(shown: JobView) -> str:
    """Return the address of a job's page."""
    return execution_link(machine_of(shown.execution.arn), shown.execution.name)


def _tab(shown: JobView, wanted: str) -> str:
    """Return the wanted tab, or else, of a job that ended badly, the one that says what is left."""
    if wanted in TABS:
        return wanted
    return TABS[shown.ending is not None and shown.ending.outcome != "succeeded"]


def chosen_state(shown: JobView, wanted: str) -> str:
    """Return the state to show: the wanted one, or else the one that matters most now."""
    timeline = shown.execution.timeline
    if wanted in timeline.states:
        return wanted
    failed = [one.name for one in timeline.tasks if one.status is Status.FAILED]
    if failed or shown.ended:
        return (failed or [one.name for one in timeline.tasks if one.attempts][-1:] or [""])[0]
    return timeline.current


def _headings(setting: Setting, shown: JobView) -> dict[str, Part]:
    execution, outcome = shown.execution, shown.outcome
    title = {
        "project": execution.project_id,
        "job": formatting.job_words(execution.arn),
        "name": execution.name,
        "outcome": outcome,
        "actions": [] if setting.read_only else offered(shown, setting.sources),
        "link": link_to(shown),
    }
    facts = {
        "execution": execution,
        "outcome": outcome,
        "stage": shown.stage,
        "percent": shown.percent,
        "attempts": shown.attempts,
        "ending": shown.ending,
        "retrying": [one for one in execution.timeline.states.values() if one.status is Status.RETRYING and one.retry],
    }
    return {"title": Part("title", title), "facts": Part("facts", facts)}


def _picture(shown: JobView, chosen: str, *, folded: bool) -> Part:
    execution = shown.execution
    marks = {one.name: _mark(shown, one, folded=folded) for one in execution.timeline.states.values()}
    drawn = {"definition": execution.definition, "marks": marks, "taken": execution.timeline.taken, "chosen": chosen}
    # It is drawn by the template, which is filled only when one of these changes.
    return Part("picture", {"drawing": drawing, **drawn})


def _mark(shown: JobView, run: StateRun, *, folded: bool) -> Mark:
    # The countdown is written once and continues in the browser: the drawing changes only when a status does.
    since = run.last.ended_at if run.last and run.last.ended_at else shown.execution.started_at
    due = run.retry.due if run.status is Status.RETRYING and run.retry else None
    return Mark(
        str(run.status),
        f"{formatting.SIGNS[run.status]} {formatting.note(run, since)}",
        due=int(due.timestamp() * 1000) if due else None,
        folded=folded and (run.on_failure or run.status is Status.SKIPPED),
    )


def _state(sources: Sources, shown: JobView, chosen: str, *, read_logs: bool) -> Part:
    """Return the chosen state with its attempts. A page is not kept waiting for log lines: its stream reads them."""
    run, stages = shown.execution.timeline.states.get(chosen), shown.execution.timeline.stages
    read = sources.logs.lines if read_logs else sources.logs.known
    attempts: list[tuple[Attempt, Lines | None]] = [
        (one, read(shown.execution.name, stages, chosen, one)) for one in (run.attempts if run else ())
    ]
    return Part("state", {"run": run, "note": _note(run), "ended": shown.ended, "attempts": attempts})


def _note(run: StateRun | None) -> str:
    """Return the text beside the state's name. The time until the next attempt is above, where it counts down."""
    if run is None or run.retry:
        return str(Status.RETRYING)
    return formatting.note(run, run.entered_at or datetime.now(UTC))


def _resources(resources: Resources | None, ending: Ending | None, *, ended: bool) -> Part:
    existing, removed = (resources.existing, resources.removed) if resources else ([], [])
    return Part("resources", {"existing": existing, "removed": removed, "ending": ending, "ended": ended})


def _events(shown: JobView, search: str) -> Part:
    execution = shown.execution
    names = execution.timeline.state_of_event
    known = {"events": execution.events, "names": names, "search": search.strip().lower(), "link": link_to(shown)}
    return Part("history", {"rows": event_rows, **known})


def event_rows(events: Sequence[Event], names: Mapping[int, str], search: str) -> list[dict[str, Any]]:
    """Return the events in which a text occurs, as rows of a table."""
    rows = [
        {
            "id": event["id"],
            "at": event["timestamp"],
            "type": event["type"],
            "state": names.get(event["id"], ""),
            "summary": event_summary(event),
            "failed": event["type"].endswith(("Failed", "TimedOut", "Aborted")),
            "has_details": bool(details_of(event)),
        }
        for event in events
    ]
    return [one for one in rows if search in " ".join(str(one[key]) for key in FILTERED).lower()]
