"""The page of one execution: its drawing, stages and ledger, what it created, and every event."""

import asyncio
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

from nicegui import ui
from starlette.exceptions import HTTPException

from console import actions, formatting
from console.addresses import execution_link
from console.boxes import Mark
from console.drawing import drawing
from console.errors import ConsoleError
from console.frame import Section, Setting, button, confirm, frame, html, panel
from console.gantt import gantt
from console.history import details_of
from console.job_view import JobView
from console.render import event_summary, render
from console.state_machines import machine_of
from console.state_panel import StatePanel
from console.timeline import StateRun, Status
from provisioning.endings import Ending
from provisioning.ledger.progress import Resources

POLL_SECONDS = 1.0
POLLS_AFTER_THE_END = 5
"""An ended execution can only be redriven, so it is read this many times less often."""

LEGEND = ("waiting", "running", "retrying", "succeeded", "failed", "skipped", "compensated")
FILTERED = ("id", "type", "state", "summary")


async def execution_page(setting: Setting, name: str, machine: str = "") -> None:
    """Build the page of an execution of that name, in one state machine or the first that has one. Raise HTTPException
    if there is none.
    """
    try:
        shown = await asyncio.to_thread(setting.sources.read, name, machine)
    except ConsoleError as error:
        with frame(setting, name):
            html(render("problem", problem=f"Step Functions cannot be read. {error}"))
        return
    if shown is None:
        await _forgotten(setting, name)
        return
    with frame(setting, shown.execution.project_id or name):
        _ExecutionPage(setting, shown).build()


async def _forgotten(setting: Setting, name: str) -> None:
    """Build the page of a job whose execution Step Functions has forgotten. Raise HTTPException for an unknown job."""
    remembered = await asyncio.to_thread(setting.sources.remembered, name)
    if remembered is None:
        raise HTTPException(HTTPStatus.NOT_FOUND)
    record, ending = remembered
    with frame(setting, name):
        html(render("forgotten", name=name, progress=record.progress, ending=ending))
        with ui.element("div").classes("pair"):
            with panel("Ledger"):
                html(render("ledger", progress=record.progress, problem=record.problem))
            with panel("Resources"):
                html(render("resources", **_of_resources(record.resources, ending, ended=ending is not None)))


def _of_resources(resources: Resources | None, ending: Ending | None, *, ended: bool) -> dict[str, Any]:
    existing, removed = (resources.existing, resources.removed) if resources else ([], [])
    return {"existing": existing, "removed": removed, "ending": ending, "ended": ended}


class _ExecutionPage:
    def __init__(self, setting: Setting, shown: JobView) -> None:
        self._setting = setting
        self._sources = setting.sources
        self._name = shown.execution.name
        self._machine = machine_of(shown.execution.arn)
        self._link = execution_link(self._machine, self._name)
        self._shown = shown
        self._problem = ""
        self._search = ""
        self._polls = 0
        self._folded = True

    def build(self) -> None:
        with ui.element("div").classes("heading"):
            self._title = Section("grow")
            if not self._setting.read_only:
                self._buttons()
        self._facts = Section()
        with ui.element("div").classes("columns"):
            with panel("State machine", "picture-panel"):
                html(render("legend", statuses=LEGEND)).classes("legend-row")
                self._picture = Section("picture")
            with ui.element("div").classes("stack"):
                with panel("Stages"):
                    self._stages = Section("scroll")
                with panel("State"):
                    self._state = StatePanel(self._sources, self._name)
        with ui.element("div").classes("pair"):
            with panel("Ledger"):
                self._ledger = Section()
            with panel("Resources"):
                self._resources = Section()
        with panel("Event history") as head:
            with head:
                ui.input("Search events", on_change=self._filter).props(
                    "outlined dense clearable debounce=200"
                ).classes("filter grow")
                html(f'<a class="button" href="{self._link}/history.json" download>Export JSON</a>')
            self._events = Section()
        ui.on("state", lambda event: self._choose(str(event.args)))
        ui.on("unfold", self._unfold)
        self._show()
        ui.timer(0.01, self._state.read_logs, once=True)
        ui.timer(POLL_SECONDS, self._poll, immediate=False)

    def _buttons(self) -> None:
        stop = confirm(
            "Stop this execution?",
            "What the job has created stays until it is rolled back: `provision rollback` does that.",
            "Stop it",
            self._stop,
        )
        retry = confirm(
            "Retry this job?",
            "Starts a new execution with the same payload; a job that was stopped is rolled back.",
            "Retry",
            self._retry,
        )
        self._stop_button = button("Stop …", stop.open, "danger")
        self._retry_button = button("Retry …", retry.open, "main")

    async def _poll(self) -> None:
        self._polls += 1
        if self._shown.ended and not self._problem and self._polls % POLLS_AFTER_THE_END:
            return
        await self._refresh()

    async def _refresh(self) -> None:
        try:
            shown = await asyncio.to_thread(self._sources.read, self._name, self._machine)
        except ConsoleError as error:
            self._problem = str(error)
        else:
            self._problem = ""
            self._shown = shown or self._shown
        self._show()
        await self._state.read_logs()

    async def _stop(self) -> None:
        await asyncio.to_thread(actions.stop, self._sources.executions, self._shown.execution)
        await self._refresh()

    async def _retry(self) -> None:
        status = self._shown.progress.status if self._shown.progress else None
        name = await asyncio.to_thread(actions.retry, self._sources.executions, self._shown.execution, status)
        ui.navigate.to(execution_link(self._machine, name))

    async def _choose(self, state: str) -> None:
        self._state.choose(state)
        self._show()
        await self._state.read_logs()

    def _unfold(self) -> None:
        self._folded = False
        self._show()

    def _filter(self, event: object) -> None:
        self._search = (getattr(event, "value", "") or "").strip().lower()
        self._show_events()

    def _show(self) -> None:
        shown, execution, timeline = self._shown, self._shown.execution, self._shown.execution.timeline
        outcome = shown.outcome
        job = formatting.job_words(execution.arn)
        self._title.show("title", project=execution.project_id, job=job, name=self._name, outcome=outcome)
        if not self._setting.read_only:
            self._stop_button.set_visibility(not shown.ended)
            self._retry_button.set_visibility(shown.ended and outcome.lower() != "succeeded")
        self._facts.show(
            "facts",
            execution=execution,
            outcome=outcome,
            stage=shown.stage,
            percent=shown.percent,
            attempts=shown.attempts,
            problem=self._problem,
            ending=shown.ending,
            retrying=[run for run in timeline.states.values() if run.status is Status.RETRYING and run.retry],
        )
        self._show_picture()
        self._stages.show("stages", chart=gantt(timeline, datetime.now(UTC)), chosen=self._state.chosen)
        self._state.show(shown)
        self._ledger.show("ledger", progress=shown.progress, problem=shown.record.problem)
        self._show_resources()
        self._show_events()

    def _show_picture(self) -> None:
        execution = self._shown.execution
        marks = {run.name: self._mark(run) for run in execution.timeline.states.values()}
        drawn = drawing(execution.definition, marks, execution.timeline.taken, self._state.chosen)
        self._picture.show("picture", drawing=drawn)

    def _mark(self, run: StateRun) -> Mark:
        # The countdown is written once and continues in the browser: the drawing changes only when a status does.
        since = run.last.ended_at if run.last and run.last.ended_at else self._shown.execution.started_at
        due = run.retry.due if run.status is Status.RETRYING and run.retry else None
        return Mark(
            str(run.status),
            f"{formatting.SIGNS[run.status]} {formatting.note(run, since)}",
            due=int(due.timestamp() * 1000) if due else None,
            folded=self._folded and (run.on_failure or run.status is Status.SKIPPED),
        )

    def _show_resources(self) -> None:
        resources = self._shown.record.resources
        self._resources.show("resources", **_of_resources(resources, self._shown.ending, ended=self._shown.ended))

    def _show_events(self) -> None:
        execution = self._shown.execution
        names = execution.timeline.state_of_event
        events = [
            {
                "id": event["id"],
                "at": event["timestamp"],
                "type": event["type"],
                "state": names.get(event["id"], ""),
                "summary": event_summary(event),
                "failed": event["type"].endswith(("Failed", "TimedOut", "Aborted")),
                "has_details": bool(details_of(event)),
            }
            for event in execution.events
        ]
        found = [one for one in events if self._search in " ".join(str(one[key]) for key in FILTERED).lower()]
        self._events.show("history", events=found, total=len(events), link=self._link)
