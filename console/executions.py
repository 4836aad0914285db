"""Reads executions from Step Functions, by boto3 alone: what is shown is what AWS holds."""

import json
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from console import stages
from console.definition import Document, Machine, read_definition
from console.errors import ConsoleError, readable_cause
from console.history import RUNNING, Event, read_history
from console.timeline import Timeline

KEPT_EXECUTIONS = 200
PAGE = 1000
"""The most that ListExecutions and GetExecutionHistory give in one answer."""

Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Listed:
    """An execution as ListExecutions has it."""

    name: str
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
        """The project that its input names, or nothing."""
        return project_in(self.input)

    @property
    def not_wanted(self) -> set[str]:
        """The states whose service its input does not ask for: they answer without having done anything."""
        return stages.not_wanted(self.input)

    @property
    def percent(self) -> int:
        """How far the job is."""
        return self.timeline.percent(self.not_wanted)


class Executions:
    """The executions of one state machine. Every method raises ConsoleError in one line when AWS says no.

    Safe to use from several threads. Waits that the definition asks for are multiplied by time_scale, as a laptop
    stack does it; on AWS it is 1.
    """

    def __init__(self, client: Any, state_machine_arn: str, time_scale: float = 1.0) -> None:
        self.client = client
        self.state_machine_arn = state_machine_arn
        self._time_scale = time_scale
        self._lock = threading.Lock()
        self._ended: OrderedDict[tuple[str, datetime], Execution] = OrderedDict()
        self._definitions: dict[str, Document] = {}
        self._inputs: dict[str, str] = {}

    def arn(self, name: str) -> str:
        """Return the ARN of an execution of this state machine."""
        return f"{self.state_machine_arn.replace(':stateMachine:', ':execution:')}:{name}"

    def list(self, most: int = PAGE) -> tuple[Sequence[Listed], bool]:
        """Return the newest executions, newest first, and whether there are older ones."""
        found: list[Listed] = []
        token: dict[str, str] = {}
        while len(found) < most:
            answer = self._call(
                self.client.list_executions,
                stateMachineArn=self.state_machine_arn,
                maxResults=min(PAGE, most - len(found)),
                **token,
            )
            found += [
                Listed(one["name"], one["status"], one["startDate"], one.get("stopDate"))
                for one in answer["executions"]
            ]
            if "nextToken" not in answer:
                return found, False
            token = {"nextToken": answer["nextToken"]}
        return found, True

    def project_id(self, name: str) -> str:
        """Return the project that an execution's input names, or nothing; asked for once."""
        if name not in self._inputs:
            described = self._call(self.client.describe_execution, executionArn=self.arn(name))
            self._inputs[name] = project_in(described.get("input", ""))
        return self._inputs[name]

    def knows_project_id(self, name: str) -> bool:
        """Return whether project_id() answers without asking AWS."""
        return name in self._inputs

    def read(self, name: str) -> Execution | None:
        """Return the execution as it is now, or None when there is none of that name."""
        try:
            described = self.client.describe_execution(executionArn=self.arn(name))
        except self.client.exceptions.ExecutionDoesNotExist:
            return None
        except (ClientError, BotoCoreError) as error:
            raise ConsoleError(in_one_line(error)) from error
        self._inputs[name] = project_in(described.get("input", ""))
        # A redrive opens an execution again, and closes it at another time.
        key = (name, described.get("stopDate", described["startDate"]))
        with self._lock:
            kept = self._ended.get(key)
        if kept is not None and described["status"] != RUNNING:
            return kept
        execution = self._read(name, described)
        if execution.status != RUNNING:
            with self._lock:
                self._ended[key] = execution
                while len(self._ended) > KEPT_EXECUTIONS:
                    self._ended.popitem(last=False)
        return execution

    def _read(self, name: str, described: dict[str, Any]) -> Execution:
        definition = self._definition(name)
        machine = read_definition(definition)
        events = self._events(name)
        return Execution(
            name=name,
            arn=described["executionArn"],
            status=described["status"],
            started_at=described["startDate"],
            stopped_at=described.get("stopDate"),
            input=described.get("input", ""),
            output=described.get("output", ""),
            error=described.get("error", ""),
            cause=readable_cause(described.get("cause", "")),
            redrivable=described.get("redriveStatus") == "REDRIVABLE",
            definition=definition,
            machine=machine,
            events=events,
            timeline=read_history(machine, events, described["status"], described["startDate"], self._time_scale),
        )

    def _definition(self, name: str) -> Document:
        if name not in self._definitions:
            answer = self._call(self.client.describe_state_machine_for_execution, executionArn=self.arn(name))
            text: str = answer["definition"]
            # Most executions run one definition: it is kept once.
            shared = self._definitions.setdefault(text, json.loads(text))
            self._definitions[name] = shared
        return self._definitions[name]

    def _events(self, name: str) -> Sequence[Event]:
        events: list[Event] = []
        token: dict[str, str] = {}
        while True:
            answer = self._call(
                self.client.get_execution_history, executionArn=self.arn(name), maxResults=PAGE, **token
            )
            events += answer["events"]
            if "nextToken" not in answer:
                return events
            token = {"nextToken": answer["nextToken"]}

    @staticmethod
    def _call(operation: Callable[..., Answer], **request: Any) -> Answer:
        try:
            return operation(**request)
        except (ClientError, BotoCoreError) as error:
            raise ConsoleError(in_one_line(error)) from error


def project_in(text: str) -> str:
    """Return the project that an execution's input names, or nothing."""
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
