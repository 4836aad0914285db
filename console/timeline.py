"""An execution for a person to follow: which states ran, when, in how many attempts, and with which outcome."""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from console.definition import State, Transition
from console.retrying import Retry
from console.stages import Stages


class Status(StrEnum):
    """The status of a state in one execution."""

    WAITING = "waiting"
    RUNNING = "running"
    RETRYING = "retrying"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    SKIPPED = "skipped"
    COMPENSATED = "compensated"


@dataclass
class Attempt:
    """One attempt at a state's task."""

    number: int
    started_at: datetime
    function: str = ""
    """The name of the Lambda function, as the state names it."""
    ended_at: datetime | None = None
    error: str = ""
    cause: str = ""
    failed: bool = False
    sent: str = ""
    """The task's input, as JSON."""
    answered: str = ""
    """The task's output, as JSON."""


@dataclass
class StateRun:
    """A state in one execution, entered or not."""

    state: State
    entered_at: datetime | None = None
    exited_at: datetime | None = None
    input: str = ""
    output: str = ""
    attempts: list[Attempt] = field(default_factory=list)
    failed_within: bool = False
    status: Status = Status.WAITING
    undone: bool = False
    """Whether a compensation has removed what it created, or found nothing to remove."""
    retry: Retry | None = None
    on_failure: bool = False
    """Whether only a failure can still lead here."""

    @property
    def name(self) -> str:
        return self.state.name

    @property
    def last(self) -> Attempt | None:
        """The latest attempt."""
        return self.attempts[-1] if self.attempts else None

    @property
    def caught(self) -> bool:
        """Whether it ended with an error, or would have."""
        return self.failed_within or (self.last is not None and self.last.failed)


@dataclass(frozen=True)
class Timeline:
    """An execution, read from its events. States are in the order of the definition."""

    states: Mapping[str, StateRun]
    stages: Stages
    """The stages of its states, as the job type declares them."""
    taken: frozenset[Transition]
    status: str
    """RUNNING, SUCCEEDED, FAILED, ABORTED or TIMED_OUT."""
    started_at: datetime
    ended_at: datetime | None
    order: Sequence[str]
    """The names of the states that were entered, in that order."""
    state_of_event: Mapping[int, str]
    """The state that each event belongs to, by the event's id; an empty name for those of the execution."""

    @property
    def tasks(self) -> list[StateRun]:
        """The tasks in the order in which they were entered, then the others in the order of the definition."""
        tasks = [run for run in self.states.values() if run.state.kind == "Task"]
        return sorted(tasks, key=lambda run: self.order.index(run.name) if run.name in self.order else len(self.order))

    @property
    def attempts(self) -> int:
        """The most attempts that any stage took: 0 before the first."""
        return max((len(run.attempts) for name, run in self.states.items() if self.stages.stage_of(name)), default=0)

    def percent(self, not_wanted: Set[str]) -> int:
        """Return the job's progress, as the ledger counts it: unwanted stages are done when the job opens."""
        done = {name for name in self.stages.states.values() if self._has_succeeded(name)}
        return self.stages.percent(done | not_wanted)

    @property
    def current(self) -> str:
        """The state that runs or ran last; of several concurrent ones, the one that was entered first."""
        active = [name for name in self.order if self.states[name].status in (Status.RUNNING, Status.RETRYING)]
        tasks = [name for name in active if not self.states[name].state.inner]
        return (tasks or active or list(self.order[-1:]) or [""])[0]

    @property
    def stage(self) -> str:
        """The ledger's name of the current state's stage, or the state's own name if the ledger has none."""
        return self.stages.stage_of(self.current) or self.current

    def _has_succeeded(self, name: str) -> bool:
        run = self.states.get(name)
        return run is not None and any(attempt.answered and not attempt.failed for attempt in run.attempts)
