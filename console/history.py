"""Read an execution's events into its timeline."""

from collections.abc import Iterable, Mapping, Sequence, Set
from datetime import datetime
from typing import Any

from console.definition import Machine, Transition, Way
from console.errors import readable_cause
from console.retrying import next_retry
from console.stages import Stages
from console.timeline import Attempt, StateRun, Status, Timeline

Event = Mapping[str, Any]

STARTS = {"TaskScheduled", "LambdaFunctionScheduled", "ActivityScheduled"}
SUCCESSES = {"TaskSucceeded", "LambdaFunctionSucceeded", "ActivitySucceeded"}
FAILURES = {
    *("TaskFailed", "TaskTimedOut", "TaskStartFailed", "TaskSubmitFailed"),
    *("LambdaFunctionFailed", "LambdaFunctionTimedOut", "LambdaFunctionScheduleFailed", "LambdaFunctionStartFailed"),
    *("ActivityFailed", "ActivityTimedOut", "ActivityScheduleFailed"),
}
FAILED_WITHIN = {"ParallelStateFailed", "MapStateFailed"}
RUNNING = "RUNNING"


def read_history(
    machine: Machine,
    stages: Stages,
    events: Iterable[Event],
    status: str,
    started_at: datetime,
    time_scale: float = 1.0,
) -> Timeline:
    """Return the timeline of an execution from its events, oldest first, and DescribeExecution's answer.

    A history that is still empty, or cut off, is read as far as it goes.
    """
    reader = _Reader(machine)
    last_at = started_at
    for event in events:
        last_at = event["timestamp"]
        reader.read(event)
    running = status == RUNNING
    for run in reader.states.values():
        run.status = _status(run, running=running)
        if running and run.status is Status.RUNNING and run.last and run.last.failed and run.last.ended_at:
            errors = [attempt.error for attempt in run.attempts]
            run.retry = next_retry(run.state.document, errors, run.last.ended_at, time_scale)
            run.status = Status.RETRYING if run.retry else Status.RUNNING
    _end_branches(reader.states, reader.taken)
    _compensate(stages, reader.states)
    ahead = _ahead(machine, reader.states, reader.order) if running else set[str]()
    planned = _ahead(machine, reader.states, reader.order, with_catches=False) if running else set[str]()
    for name, run in reader.states.items():
        if run.entered_at is None:
            run.status = Status.WAITING if name in ahead else Status.SKIPPED
            run.on_failure = name in ahead - planned
    return Timeline(
        states=reader.states,
        stages=stages,
        taken=frozenset(reader.taken),
        status=status,
        started_at=started_at,
        ended_at=None if running else last_at,
        order=tuple(dict.fromkeys(reader.order)),
        state_of_event=reader.state_of_event,
    )


class _Reader:
    def __init__(self, machine: Machine) -> None:
        self.states = {state.name: StateRun(state) for state in machine.every_state()}
        self.taken: set[Transition] = set()
        self.order: list[str] = []
        self.state_of_event: dict[int, str] = {}

    def read(self, event: Event) -> None:
        kind, details = str(event["type"]), details_of(event)
        before = self.state_of_event.get(event.get("previousEventId", 0), "")
        name = str(details["name"]) if kind.endswith(("StateEntered", "StateExited")) else before
        self.state_of_event[event["id"]] = name
        run = self.states.get(name)
        if run is None:
            return
        if kind.endswith("StateEntered"):
            self._enter(run, before, event, details)
        elif kind.endswith("StateExited"):
            run.exited_at, run.output = event["timestamp"], str(details.get("output", ""))
        elif kind in STARTS:
            self._start(run, event, details)
        elif kind in SUCCESSES and run.last:
            run.last.ended_at, run.last.answered = event["timestamp"], str(details.get("output", "null"))
        elif kind in FAILURES:
            self._fail(run, event, details)
        elif kind in FAILED_WITHIN:
            run.failed_within = True

    def _enter(self, run: StateRun, before: str, event: Event, details: Mapping[str, Any]) -> None:
        self.order.append(run.name)
        run.entered_at, run.exited_at, run.failed_within = event["timestamp"], None, False
        run.input, run.output = str(details.get("input", "")), ""
        run.attempts.clear()
        source = self.states.get(before)
        if source is not None:
            self.taken |= _way(source, run.name)

    @staticmethod
    def _start(run: StateRun, event: Event, details: Mapping[str, Any]) -> None:
        sent = str(details.get("parameters") or details.get("input") or "")
        function = str(run.state.document.get("Parameters", {}).get("FunctionName", details.get("resource", "")))
        run.attempts.append(
            Attempt(len(run.attempts) + 1, event["timestamp"], function=_function_name(function), sent=sent)
        )

    def _fail(self, run: StateRun, event: Event, details: Mapping[str, Any]) -> None:
        if run.last is None or run.last.ended_at is not None:
            # Lambda or a quota prevented its scheduling.
            self._start(run, event, {})
        attempt = run.attempts[-1]
        attempt.ended_at, attempt.failed = event["timestamp"], True
        attempt.error = str(details.get("error") or ("States.Timeout" if "TimedOut" in event["type"] else ""))
        attempt.cause = readable_cause(str(details.get("cause", "")))


def details_of(event: Event) -> Mapping[str, Any]:
    """Return what an event says beyond its type and time."""
    return next((value for name, value in event.items() if name.endswith("EventDetails")), {})


def _function_name(arn: str) -> str:
    parts = arn.split(":")
    return parts[6] if len(parts) > 6 else parts[-1]


def _way(source: StateRun, target: str) -> set[Transition]:
    """Return the transition between two states. Two rules of a Choice that lead to one state are indistinguishable."""
    possible = [one for one in source.state.transitions if one.target == target]
    caught = [one for one in possible if (one.way is Way.CATCH) == source.caught]
    return set(caught or possible)


def _status(run: StateRun, *, running: bool) -> Status:
    if run.entered_at is None:
        return Status.WAITING
    if run.exited_at is None:
        return Status.RUNNING if running and run.state.kind not in {"Fail", "Succeed"} else _final(run)
    return Status.FAILED if run.caught else Status.SUCCEEDED


def _final(run: StateRun) -> Status:
    return Status.SUCCEEDED if run.state.kind == "Succeed" else Status.FAILED


def _end_branches(runs: Mapping[str, StateRun], taken: Set[Transition]) -> None:
    """Mark as failed what ends a branch with a caught failure, and the state that holds the branch."""
    caught = {one.target for one in taken if one.way is Way.CATCH}
    for run in runs.values():
        for state in (state for branch in run.state.inner for state in branch.states.values()):
            # Another task may have made good what failed; an end does nothing.
            is_end = state.kind == "Succeed" or (state.kind == "Pass" and state.document.get("End") is True)
            if is_end and state.name in caught and runs[state.name].status is Status.SUCCEEDED:
                runs[state.name].status = Status.FAILED
                run.status = Status.FAILED if run.status is Status.SUCCEEDED else run.status


def _compensate(stages: Stages, runs: Mapping[str, StateRun]) -> None:
    for compensation, undone in stages.undoes.items():
        if compensation in runs and runs[compensation].status is Status.SUCCEEDED:
            for stage in undone:
                run = runs.get(stages.states[stage])
                if run is not None and run.attempts:
                    run.undone = True
                    # The error stays visible.
                    if run.status is Status.SUCCEEDED:
                        run.status = Status.COMPENSATED
    for run in runs.values():
        inside = [runs[state.name] for branch in run.state.inner for state in branch.every_state()]
        done = [one for one in inside if one.attempts]
        if done and all(one.undone for one in done):
            run.undone = True
            run.status = Status.COMPENSATED if run.status is Status.SUCCEEDED else run.status


def _ahead(
    machine: Machine, runs: Mapping[str, StateRun], order: Sequence[str], *, with_catches: bool = True
) -> set[str]:
    """Return the states that may still be entered, or that may without a failure."""
    active = [name for name in order if runs[name].exited_at is None] or list(order[-1:]) or [machine.start_at]
    found, left = set[str](), list(active)
    if not order:
        found.add(machine.start_at)
    while left:
        run = runs[left.pop()]
        near = [one.target for one in run.state.transitions if with_catches or one.way is not Way.CATCH]
        if run.state.inner and run.entered_at is None:
            near += [inner.name for branch in run.state.inner for inner in branch.every_state()]
        elif run.state.inner:
            near += [branch.start_at for branch in run.state.inner if runs[branch.start_at].entered_at is None]
        left += [name for name in near if name not in found]
        found |= set(near)
    return found
