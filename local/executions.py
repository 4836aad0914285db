"""The executions of moto's Step Functions: start them, wait for one, stop all, and say how each ended."""

import json
import threading
import uuid
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import Any
from unittest.mock import patch

from moto.stepfunctions.exceptions import InvalidExecutionInput
from moto.stepfunctions.parser.asl.eval.environment import Environment
from moto.stepfunctions.parser.asl.eval.program_state import ProgramStopped
from moto.stepfunctions.parser.backend.execution import BaseExecutionWorkerCommunication
from moto.stepfunctions.parser.models import StepFunctionsParserBackend
from moto.stepfunctions.responses import StepFunctionResponse

LONGEST_DELIVERY_SECONDS = 10.0
LONGEST_INPUT = 248 * 1024


class Executions:
    """The executions of one backend. All of a process share the replacements that install() makes in moto.

    `on_end` gets the event that Step Functions sends about the end of an execution, unless stop() ended it.
    """

    def __init__(self, backend: StepFunctionsParserBackend, on_end: Callable[[dict[str, Any]], None]) -> None:
        self._backend = backend
        self._on_end = on_end
        self._starting = threading.Lock()
        self._ending = threading.Condition()
        self._delivering: set[str] = set()
        self._is_stopping = False

    def install(self) -> ExitStack:
        """Until the result is closed: name executions without a name, refuse invalid JSON with AWS's error name, make
        two starts under one name aware of each other, keep the reason of a stop, and let nothing replace a stop.
        """
        undo = ExitStack()
        undo.enter_context(patch.object(StepFunctionsParserBackend, "start_execution", self._start_once()))
        undo.enter_context(patch.object(StepFunctionResponse, "stop_execution", self._stop_with_reason()))
        undo.enter_context(patch.object(BaseExecutionWorkerCommunication, "terminated", self._tell_of_end()))
        for name in ("set_error", "set_timed_out"):
            undo.enter_context(patch.object(Environment, name, _unless_stopped(vars(Environment)[name])))
        return undo

    def ended(self, arn: str) -> bool:
        """Return whether an execution has ended, without the cost of a request."""
        return str(self._backend.describe_execution(arn).status) != "RUNNING"

    def wait(self, arn: str, seconds: float) -> bool:
        """Wait at most that many seconds for an execution to end and its event to be delivered. Return whether it has
        ended.
        """
        with self._ending:
            return self._ending.wait_for(lambda: arn not in self._delivering and self.ended(arn), seconds)

    def stop(self) -> None:
        """Abort the running executions, each of which ends after its present attempt, and let deliveries end."""
        self._is_stopping = True
        executions: list[Any] = [one for machine in self._backend.state_machines for one in machine.executions]
        for execution in executions:
            if execution.status == "RUNNING" and execution.exec_worker and execution.exec_worker.env:
                execution.stop(stop_date=datetime.now(UTC), error="StackStopped", cause="the laptop stack was stopped")
        with self._ending:
            self._ending.wait_for(lambda: not self._delivering, LONGEST_DELIVERY_SECONDS)

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

    def _stop_with_reason(self) -> Any:
        original, backend = vars(StepFunctionResponse)["stop_execution"], self._backend

        def stop_execution(response: Any) -> Any:
            asked = json.loads(response.body)
            execution: Any = backend.describe_execution(asked["executionArn"])
            # DescribeExecution answers the reason, as on AWS; moto itself drops it.
            if execution.status == "RUNNING":
                execution.error, execution.cause = asked.get("error"), asked.get("cause")
            return original(response)

        return stop_execution

    def _tell_of_end(self) -> Any:
        original = vars(BaseExecutionWorkerCommunication)["terminated"]

        def terminated(ended: BaseExecutionWorkerCommunication) -> None:
            execution = ended.execution
            with self._ending:
                self._delivering.add(execution.exec_arn)
            try:
                original(ended)
                if not self._is_stopping:
                    self._on_end(_event_of(execution))
            finally:
                with self._ending:
                    self._delivering.discard(execution.exec_arn)
                    self._ending.notify_all()

        return terminated


def _unless_stopped(end: Callable[..., None]) -> Callable[..., None]:
    """Return a way for a program to end that a stopped one does not take.

    moto lets a failure that comes after the stop replace it, such as that of a branch that was between two steps.
    """

    def end_unless_stopped(environment: Environment, **why: Any) -> None:
        if not isinstance(environment.program_state(), ProgramStopped):
            end(environment, **why)

    return end_unless_stopped


def _event_of(execution: Any) -> dict[str, Any]:
    """Return the event of an ended execution, in the form of
    https://docs.aws.amazon.com/step-functions/latest/dg/eventbridge-integration.html.
    """
    text = json.dumps(execution.input_data)
    return {
        "version": "0",
        "id": str(uuid.uuid4()),
        "detail-type": "Step Functions Execution Status Change",
        "source": "aws.states",
        "account": execution.account_id,
        "time": execution.stop_date.isoformat(),
        "region": execution.region_name,
        "resources": [execution.exec_arn],
        "detail": {
            "executionArn": execution.exec_arn,
            "stateMachineArn": execution.state_machine.arn,
            "name": execution.name,
            "status": execution.status,
            "startDate": round(execution.start_date.timestamp() * 1000),
            "stopDate": round(execution.stop_date.timestamp() * 1000),
            "input": text if len(text) <= LONGEST_INPUT else None,
            "inputDetails": {"included": len(text) <= LONGEST_INPUT},
            "output": None,
            "outputDetails": None,
            "error": execution.error,
            "cause": execution.cause,
        },
    }
