"""The executions of moto's Step Functions: start them, wait for one, and stop all."""

import json
import threading
import uuid
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import Any
from unittest.mock import patch

from moto.stepfunctions.exceptions import InvalidExecutionInput
from moto.stepfunctions.parser.backend.execution import BaseExecutionWorkerCommunication
from moto.stepfunctions.parser.models import StepFunctionsParserBackend


class Executions:
    """The executions of one backend. All of a process share the replacements that install() makes in moto."""

    def __init__(self, backend: StepFunctionsParserBackend) -> None:
        self._backend = backend
        self._starting = threading.Lock()
        self._ending = threading.Condition()

    def install(self) -> ExitStack:
        """Until the result is closed: name executions without a name, refuse invalid JSON with AWS's error name, and
        make two starts under one name aware of each other.
        """
        undo = ExitStack()
        undo.enter_context(patch.object(StepFunctionsParserBackend, "start_execution", self._start_once()))
        undo.enter_context(patch.object(BaseExecutionWorkerCommunication, "terminated", self._tell_of_end()))
        return undo

    def ended(self, arn: str) -> bool:
        """Return whether an execution has ended, without the cost of a request."""
        return str(self._backend.describe_execution(arn).status) != "RUNNING"

    def wait(self, arn: str, seconds: float) -> bool:
        """Wait at most that many seconds for an execution to end. Return whether it has ended."""
        with self._ending:
            return self._ending.wait_for(lambda: self.ended(arn), seconds)

    def stop(self) -> None:
        """Abort the running executions: each ends after its present attempt or wait."""
        executions: list[Any] = [one for machine in self._backend.state_machines for one in machine.executions]
        for execution in executions:
            if execution.status == "RUNNING" and execution.exec_worker and execution.exec_worker.env:
                execution.stop(stop_date=datetime.now(UTC), error="StackStopped", cause="the laptop stack was stopped")

    def _start_once(self) -> Any:
        original, lock = vars(StepFunctionsParserBackend)["start_execution"], self._starting

        def start_execution(
            backend: StepFunctionsParserBackend,
            state_machine_arn: str,
            name: str | None = None,
            execution_input: str | None = None,
            trace_header: str | None = None,
        ) -> Any:
            try:
                json.loads("{}" if execution_input is None else execution_input)
            except (ValueError, RecursionError):
                raise InvalidExecutionInput("the input is not JSON, or nested too deeply") from None
            with lock:
                return original(backend, state_machine_arn, name or str(uuid.uuid4()), execution_input, trace_header)

        return start_execution

    def _tell_of_end(self) -> Any:
        original, ending = vars(BaseExecutionWorkerCommunication)["terminated"], self._ending

        def terminated(execution: BaseExecutionWorkerCommunication) -> None:
            original(execution)
            with ending:
                ending.notify_all()

        return terminated
