"""Read executions from Step Functions, with boto3 only: the console shows what AWS has."""

import json
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from console.definition import Document, Machine, read_definition
from console.errors import ConsoleError, readable_cause
from console.history import RUNNING, Event, read_history
from console.stages import stages_of
from console.state_machines import execution_arn, machine_of, state_machines
from console.timeline import Timeline
from provisioning.execution import FORGOTTEN

KEPT_EXECUTIONS = 200
PAGE = 1000
"""The maximum number of results of ListExecutions and GetExecutionHistory in one answer."""

ABSENT = {"ExecutionDoesNotExist", "StateMachineDoesNotExist"}
Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Listed:
    """An execution as ListExecutions has it."""

    name: str
    arn: str
    status: str
    started_at: datetime
    stopped_at: datetime | None


@dataclass(frozen=True)
class Execution:
    """One execution with the definition that it runs and everything that happened in it."""

    name: str
    arn: str
    status: str
    started_at: datetime
    stopped_at: datetime | None
    input: str
    output: str
    error: str
    cause: str
    redrivable: bool
    definition: Document
    machine: Machine
    events: Sequence[Event]
    timeline: Timeline

    @property
    def project_id(self) -> str:
        """The project that its input names, or an empty string."""
        return project_in(self.input)

    @property
    def not_wanted(self) -> set[str]:
        """The states that its input leaves out: they answer without doing anything."""
        return self.timeline.stages.not_wanted(self.input)

    @property
    def percent(self) -> int:
        """The job's progress."""
        return self.timeline.percent(self.not_wanted)


class Absent(ConsoleError):
    """Step Functions has no such execution or state machine."""


class Executions:
    """The executions of every job type's state machine. Every method raises ConsoleError, in one line, if AWS refuses.

    Safe to use from several threads. The waits in a definition are multiplied by time_scale, as on a laptop stack; on
    AWS it is 1.
    """

    def __init__(self, client: Any, state_machine_arn: str, time_scale: float = 1.0) -> None:
        self.client = client
        self.state_machine_arn = state_machine_arn
        """The given one, or its alias: the others are found from it."""
        self.machines = state_machines(state_machine_arn)
        """The ARN of each state machine, by its name."""
        self._time_scale = time_scale
        self._lock = threading.Lock()
        self._ended: OrderedDict[tuple[str, datetime], Execution] = OrderedDict()
        self._definitions: dict[str, Document] = {}
        self._inputs: dict[str, str] = {}

    def list(self, most: int = PAGE, machine: str = "") -> tuple[Sequence[Listed], bool]:
        """Return the newest executions of one state machine or of all, and whether there are older ones.

        A job type that the deployment does not have yet has no executions.
        """
        answers = [self._list(arn, most) for name, arn in self.machines.items() if machine in {"", name}]
        found = [one for listed, _ in answers for one in listed]
        found.sort(key=lambda one: one.started_at, reverse=True)
        return found[:most], len(found) > most or any(older for _, older in answers)

    def project_id(self, arn: str) -> str:
        """Return the project that an execution's input names, or an empty string; read once."""
        if arn not in self._inputs:
            self._inputs[arn] = project_in(self._described(arn).get("input", ""))
        return self._inputs[arn]

    def knows_project_id(self, arn: str) -> bool:
        """Return whether project_id() answers without a request to AWS."""
        return arn in self._inputs

    def find(self, name: str, machine: str = "") -> str | None:
        """Return the ARN of the execution of that name, in one state machine or the first that has it, or None."""
        described = self._describe(name, machine)
        return str(described["executionArn"]) if described is not None else None

    def read(self, name: str, machine: str = "") -> Execution | None:
        """Return the execution as it is now, in one state machine or the first that has it, or None."""
        described = self._describe(name, machine)
        if described is None:
            return None
        arn = str(described["executionArn"])
        self._inputs[arn] = project_in(described.get("input", ""))
        # A redrive reopens an execution and closes it at another time.
        key = (arn, described.get("stopDate", described["startDate"]))
        with self._lock:
            kept = self._ended.get(key)
        if kept is not None and described["status"] != RUNNING:
            return kept
        execution = self._read(described)
        if execution.status != RUNNING:
            with self._lock:
                self._ended[key] = execution
                while len(self._ended) > KEPT_EXECUTIONS:
                    self._ended.popitem(last=False)
        return execution

    def describe(self, arn: str) -> Mapping[str, Any] | None:
        """Return DescribeExecution's answer, FORGOTTEN, or None if Step Functions did not answer."""
        try:
            return self._described(arn)
        except ConsoleError as error:
            return FORGOTTEN if isinstance(error, Absent) else None

    def _described(self, arn: str) -> Mapping[str, Any]:
        described: Mapping[str, Any] = self._call(self.client.describe_execution, executionArn=arn)
        return described

    def _describe(self, name: str, machine: str) -> Mapping[str, Any] | None:
        for arn in (arn for known, arn in self.machines.items() if machine in {"", known}):
            with suppress(Absent):
                return self._described(execution_arn(arn, name))
        return None

    def _list(self, state_machine_arn: str, most: int) -> tuple[Sequence[Listed], bool]:
        found: list[Listed] = []
        token: dict[str, str] = {}
        while len(found) < most:
            size = min(PAGE, most - len(found))
            try:
                answer = self._call(
                    self.client.list_executions, stateMachineArn=state_machine_arn, maxResults=size, **token
                )
            except Absent:
                if machine_of(state_machine_arn) == machine_of(self.state_machine_arn):
                    raise
                return [], False
            found += [
                Listed(one["name"], one["executionArn"], one["status"], one["startDate"], one.get("stopDate"))
                for one in answer["executions"]
            ]
            if "nextToken" not in answer:
                return found, False
            token = {"nextToken": answer["nextToken"]}
        return found, True

    def _read(self, described: Mapping[str, Any]) -> Execution:
        arn = described["executionArn"]
        definition, events = self._definition(arn), self._events(arn)
        machine, stages = read_definition(definition), stages_of(arn)
        started_at, status = described["startDate"], described["status"]
        return Execution(
            name=described["name"],
            arn=arn,
            status=status,
            started_at=started_at,
            stopped_at=described.get("stopDate"),
            input=described.get("input", ""),
            output=described.get("output", ""),
            error=described.get("error", ""),
            cause=readable_cause(described.get("cause", "")),
            redrivable=described.get("redriveStatus") == "REDRIVABLE",
            definition=definition,
            machine=machine,
            events=events,
            timeline=read_history(machine, stages, events, status, started_at, self._time_scale),
        )

    def _definition(self, arn: str) -> Document:
        if arn not in self._definitions:
            answer = self._call(self.client.describe_state_machine_for_execution, executionArn=arn)
            text: str = answer["definition"]
            # Most executions run the same definition, so it is kept once.
            shared = self._definitions.setdefault(text, json.loads(text))
            self._definitions[arn] = shared
        return self._definitions[arn]

    def _events(self, arn: str) -> Sequence[Event]:
        events: list[Event] = []
        token: dict[str, str] = {}
        while True:
            answer = self._call(self.client.get_execution_history, executionArn=arn, maxResults=PAGE, **token)
            events += answer["events"]
            if "nextToken" not in answer:
                return events
            token = {"nextToken": answer["nextToken"]}

    @staticmethod
    def _call(operation: Callable[..., Answer], **request: Any) -> Answer:
        try:
            return operation(**request)
        except (ClientError, BotoCoreError) as error:
            code = error.response.get("Error", {}).get("Code") if isinstance(error, ClientError) else None
            raise (Absent if code in ABSENT else ConsoleError)(in_one_line(error)) from error


def project_in(text: str) -> str:
    """Return the project that an execution's input names, or an empty string."""
    try:
        found = json.loads(text)["project_id"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return ""
    return found if isinstance(found, str) else ""


def in_one_line(error: Exception) -> str:
    """Return what AWS said, without a line break and at most 300 characters."""
    if isinstance(error, ClientError):
        said = error.response.get("Error", {})
        text = f"{said.get('Code', 'Error')}: {said.get('Message', '')}"
    else:
        text = str(error)
    return " ".join(text.split())[:300]
