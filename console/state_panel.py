"""The chosen state of an execution: input, output, error, and each attempt with its log lines."""

import asyncio
from datetime import UTC, datetime, timedelta

from console import formatting
from console.frame import Section
from console.job_view import JobView, Sources
from console.logs import LATE_SECONDS, Lines
from console.timeline import Attempt, StateRun, Status


class StatePanel:
    """A part of the execution's page. Until a state is chosen, it shows the one that failed, waits or runs."""

    def __init__(self, sources: Sources, job_id: str) -> None:
        self._picked = ""
        self._sources = sources
        self._job_id = job_id
        self._section = Section()
        self._shown: JobView | None = None
        self._logs: dict[tuple[str, int], Lines] = {}
        self._complete: set[tuple[str, int]] = set()
        """The attempts whose lines are complete."""

    def choose(self, state: str) -> None:
        """Choose the state of this name."""
        self._picked = state

    @property
    def chosen(self) -> str:
        """The state to show: the chosen one, or else the one that matters most now."""
        if self._picked or self._shown is None:
            return self._picked
        timeline = self._shown.execution.timeline
        failed = [one.name for one in timeline.tasks if one.status is Status.FAILED]
        if failed or self._shown.ended:
            return (failed or [one.name for one in timeline.tasks if one.attempts][-1:] or [""])[0]
        return timeline.current

    def show(self, shown: JobView) -> None:
        """Fill the panel with the state as it is now."""
        self._shown = shown
        state_run = self._run
        self._section.show(
            "state",
            run=state_run,
            note=_note(state_run),
            ended=shown.ended,
            attempts=[
                (one, self._logs.get((self.chosen, one.number))) for one in (state_run.attempts if state_run else ())
            ],
        )

    def _attempts(self, state_run: StateRun | None) -> list[tuple[Attempt, Lines | None]]:
        attempts = state_run.attempts if state_run else []
        return [(attempt, self._logs.get((self.chosen, attempt.number))) for attempt in attempts]

    async def read_logs(self) -> None:
        """Read and show the log lines of the chosen state's attempts that are not known yet."""
        state_run, shown = self._run, self._shown
        if state_run is None or shown is None:
            return
        for attempt in state_run.attempts:
            key = (state_run.name, attempt.number)
            if key in self._complete:
                continue
            late = attempt.ended_at and datetime.now(UTC) > attempt.ended_at + timedelta(seconds=LATE_SECONDS)
            self._logs[key] = await asyncio.to_thread(
                self._sources.logs.lines, self._job_id, shown.execution.timeline.stages, state_run.name, attempt
            )
            if late:
                self._complete.add(key)
        self.show(self._shown or shown)

    @property
    def _run(self) -> StateRun | None:
        return self._shown.execution.timeline.states.get(self.chosen) if self._shown else None


def _note(state_run: StateRun | None) -> str:
    """Return the text beside the state's name. The time until the next attempt is above, where it counts down."""
    if state_run is None or state_run.retry:
        return str(Status.RETRYING)
    return formatting.note(state_run, state_run.entered_at or datetime.now(UTC))
