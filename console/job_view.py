"""What the page and the terminal show of one job: Step Functions' history beside the ledger."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from console.execution_list import ExecutionList
from console.executions import Execution, Executions
from console.ledger import Ledger, Record
from console.logs import Logs
from provisioning import endings, stage
from provisioning.endings import Ending
from provisioning.ledger.progress import Progress


@dataclass(frozen=True)
class Sources:
    """The sources of everything that is shown."""

    executions: Executions
    ledger: Ledger
    logs: Logs
    execution_list: ExecutionList
    try_now: Callable[[str], None] | None = None
    """Ends the wait of an execution, by its name, between two attempts: on a laptop. Raises ConsoleError."""

    @classmethod
    def of(cls, client: Any, logs: Any, state_machine_arn: str, time_scale: float = 1.0) -> "Sources":
        """Return the sources for boto3's clients of Step Functions and CloudWatch Logs."""
        executions, ledger = Executions(client, state_machine_arn, time_scale), Ledger()
        return cls(executions, ledger, Logs(logs), ExecutionList(executions, ledger))

    def read(self, name: str, machine: str = "") -> "JobView | None":
        """Return the job as it is now, or None if there is no such execution. Raise ConsoleError.

        Without a state machine's name, use the first one that has an execution of that name.
        """
        execution = self.executions.read(name, machine)
        if execution is None:
            return None
        ending = self.ending(name) if execution.stopped_at is not None else None
        # An execution that only has the name of another job has not this ending.
        is_own = ending is not None and ending.execution_arn == execution.arn
        return JobView(execution, self.ledger.read(name), ending if is_own else None)

    def remembered(self, name: str) -> tuple[Record, Ending | None] | None:
        """Return what the ledger knows of a job whose execution Step Functions has forgotten; None for no such job."""
        record = self.ledger.read(name)
        if record.progress is None:
            return None
        ending = self.ending(name)
        return (record if ending is None else replace(record, progress=record.progress.told(ending))), ending

    def ending(self, name: str) -> Ending | None:
        """Return the ending of a job that has one; None also while the ledger cannot be reached."""
        return self.ledger.ending(name, self.executions.describe)


@dataclass(frozen=True)
class JobView:
    """One job. Its progress comes from the ledger or, if none is connected, from the history."""

    execution: Execution
    record: Record
    ending: Ending | None = None
    """How it ended, if the ledger knows."""

    @property
    def progress(self) -> Progress | None:
        """What `provision job` shows. The execution's word wins over a ledger that calls an ended job unfinished."""
        known, ended = self.record.progress, self.execution
        if known is None or not self.ended or known.status not in endings.UNFINISHED or ended.status == "SUCCEEDED":
            return known
        return known.stopped(endings.stopped_message(ended.status, ended.error, ended.cause))

    @property
    def ended(self) -> bool:
        return self.execution.stopped_at is not None

    @property
    def outcome(self) -> str:
        """The outcome that its ending has, or the status in Step Functions while there is none."""
        return str(self.ending.outcome) if self.ending is not None else self.execution.status

    @property
    def percent(self) -> int:
        return self.progress.percent if self.progress else self.execution.percent

    @property
    def attempts(self) -> int:
        return self.progress.attempts if self.progress else self.execution.timeline.attempts

    @property
    def stage(self) -> str:
        """The ledger's name of the current stage, or the state's own name if the ledger has none."""
        if self.progress:
            return self.progress.stage
        if self.execution.status == "SUCCEEDED":
            return str(stage.Ending.COMPLETED)
        return self.execution.timeline.stage
