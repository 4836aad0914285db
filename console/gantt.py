"""The bars of an execution: when each task's attempts ran and how long it waited between them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from console import formatting
from console.timeline import StateRun, Timeline

NARROWEST = 0.6
"""Percent of the width, so that even a very short bar is visible."""

TICKS = 3
NICE = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600)


@dataclass(frozen=True)
class Bar:
    """Start and width in percent. A wait is the time until the next attempt."""

    left: float
    width: float
    kind: str
    """succeeded, failed, running or wait."""
    text: str


@dataclass(frozen=True)
class GanttRow:
    """One task, with a bar for each attempt and each wait."""

    run: StateRun
    bars: Sequence[Bar]
    duration: str


@dataclass(frozen=True)
class Gantt:
    """Rows in the order in which tasks were entered, and the marks of the axis as (percent, text)."""

    rows: Sequence[GanttRow]
    ticks: Sequence[tuple[float, str]]


def gantt(timeline: Timeline, now: datetime) -> Gantt:
    """Return the bars of every task that was entered, drawn from the execution's start to its end, or to now."""
    start, end = timeline.started_at, timeline.ended_at or now
    total = max((end - start).total_seconds(), 0.001)
    rows = [
        GanttRow(run, list(_bars(run, start, end, total)), _duration(run, end))
        for run in timeline.tasks
        if run.entered_at is not None
    ]
    return Gantt(rows, _ticks(total))


def _bars(run: StateRun, start: datetime, end: datetime, total: float) -> list[Bar]:
    bars = []
    for attempt in run.attempts:
        if attempt.number > 1:
            before = run.attempts[attempt.number - 2].ended_at or attempt.started_at
            bars.append(_bar("wait", before, attempt.started_at, start, total, "waited"))
        kind = "running" if attempt.ended_at is None else "failed" if attempt.failed else "succeeded"
        bars.append(
            _bar(kind, attempt.started_at, attempt.ended_at or end, start, total, f"attempt {attempt.number} {kind}")
        )
    last = run.last
    if run.retry is not None and last is not None and last.ended_at is not None:
        bars.append(_bar("wait", last.ended_at, end, start, total, "waiting"))
    return bars


def _bar(kind: str, begin: datetime, end: datetime, start: datetime, total: float, text: str) -> Bar:
    left = min(max(100 * (begin - start).total_seconds() / total, 0.0), 100 - NARROWEST)
    least = 0.0 if kind == "wait" else NARROWEST
    width = min(max(100 * (end - begin).total_seconds() / total, least), 100 - left)
    return Bar(round(left, 2), round(width, 2), kind, f"{text}, {formatting.seconds((end - begin).total_seconds())}")


def _duration(run: StateRun, end: datetime) -> str:
    begin = run.attempts[0].started_at if run.attempts else run.entered_at
    last = run.last
    until = run.exited_at or (last.ended_at if last and not run.retry else None) or end
    return formatting.seconds((until - begin).total_seconds()) if begin else ""


def _ticks(total: float) -> list[tuple[float, str]]:
    wanted = total / TICKS
    scale = 1.0
    while wanted < scale:
        scale /= 10
    step = next((nice * scale for nice in NICE if nice * scale >= wanted), 3600 * max(1, round(wanted / 3600)))
    count = int(total / step)
    texts = [(position * step, 100 * position * step / total) for position in range(count + 1)]
    return [(round(percent, 2), _tick(moment, step)) for moment, percent in texts]


def _tick(moment: float, step: float) -> str:
    if moment == 0:
        return "0"
    if step < 0.1:
        return f"{moment * 1000:.0f} ms"
    if step < 1:
        return f"{moment:g} s"
    return f"{moment:.0f} s" if moment < 60 and step < 60 else formatting.countdown(moment)
