"""One Lambda execution environment: a thread that handles one event at a time and keeps what the handler keeps."""

import gc
import importlib
import json
import queue
import threading
import time
import traceback
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from local.lambda_output import LambdaOutput
from local.template import Function

Handler = Callable[[Any, Any], Any]


@dataclass(frozen=True)
class Invocation:
    """Lambda's answer: the payload, and whether it has the header X-Amz-Function-Error."""

    payload: str
    failed: bool = False


@dataclass(frozen=True)
class LambdaContext:
    """The context object of Lambda's Python runtime."""

    function_name: str
    memory_limit_in_mb: str
    invoked_function_arn: str
    aws_request_id: str
    log_stream_name: str
    deadline: float = field(repr=False)
    """On the monotonic clock, in seconds."""
    function_version: str = "$LATEST"
    identity: None = None
    client_context: None = None

    @property
    def log_group_name(self) -> str:
        return f"/aws/lambda/{self.function_name}"

    def get_remaining_time_in_millis(self) -> int:
        """Return the milliseconds until Lambda ends this invocation, never below 0."""
        return max(0, int((self.deadline - time.monotonic()) * 1000))


class RuntimeFault(Exception):
    """An error that the runtime itself reports, under Lambda's name for it."""

    def __init__(self, error_type: str, message: str) -> None:
        super().__init__(message)
        self.error_type = error_type


class LambdaEnvironment:
    """Thread-locals are this environment's module state: kept between events, and lost with the environment."""

    def __init__(self, function: Function, output: LambdaOutput, number: int) -> None:
        self.function = function
        self.name = f"{function.resource}-{number}"
        self._output = output
        self._handler: Handler | None = None
        self._events: queue.SimpleQueue[tuple[str, LambdaContext, Handler | None, Future[Invocation]] | None]
        self._events = queue.SimpleQueue()
        self._usable = True
        self._thread = threading.Thread(target=self._run, daemon=True, name=self.name)
        self._thread.start()

    @property
    def usable(self) -> bool:
        """False once the process that it represents would be gone."""
        return self._usable

    def invoke(self, body: str, context: LambdaContext, instead: Handler | None = None) -> Invocation:
        """Run the handler, or its replacement, and return what Lambda would answer, by the deadline."""
        answer: Future[Invocation] = Future()
        self._events.put((body, context, instead, answer))
        try:
            invocation = answer.result(max(0.0, context.deadline - time.monotonic()))
        except TimeoutError:
            # The thread cannot be ended from here: it continues as the zombie that a real one may briefly be.
            self.retire()
            seconds = f"{self.function.timeout_seconds:.2f}"
            message = f"RequestId: {context.aws_request_id} Error: Task timed out after {seconds} seconds"
            return Invocation(json.dumps({"errorType": "Sandbox.Timedout", "errorMessage": message}), failed=True)
        if not self._usable:
            # A dead process has closed its connections before its death becomes known.
            self._thread.join()
            gc.collect()
        return invocation

    def retire(self) -> None:
        """Accept no further event; the thread ends after the present one."""
        self._usable = False
        self._events.put(None)

    def join(self, timeout: float) -> None:
        self._thread.join(timeout)

    def _run(self) -> None:
        self._output.adopt(self.function.resource, self.name)
        while (work := self._events.get()) is not None:
            body, context, instead, answer = work
            try:
                answer.set_result(self._handle(body, context, instead))
            except BaseException as death:  # noqa: BLE001 (whatever ends a process ends this environment)
                self._usable = False
                answer.set_result(Invocation(_exit_error(death, context.aws_request_id), failed=True))
            if not self._usable:
                return

    def _handle(self, body: str, context: LambdaContext, instead: Handler | None) -> Invocation:
        try:
            if self._handler is None:
                self._handler = load_handler(self.function.handler)
            result = (instead or self._handler)(_parse(body), context)
            return Invocation(_marshal(result))
        except RuntimeFault as fault:
            return Invocation(_error(str(fault), fault.error_type, [], context.aws_request_id), failed=True)
        except Exception as error:  # noqa: BLE001 (Lambda reports every error of a handler)
            frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename != __file__]
            report = _error(str(error), type(error).__name__, traceback.format_list(frames), context.aws_request_id)
            return Invocation(report, failed=True)


def load_handler(path: str) -> Handler:
    """Import module.function. Raise RuntimeFault like Lambda's runtime."""
    module_name, _, function_name = path.rpartition(".")
    try:
        module = importlib.import_module(module_name)
    except ImportError as error:
        raise RuntimeFault("Runtime.ImportModuleError", f"Unable to import module '{module_name}': {error}") from error
    except SyntaxError as error:
        raise RuntimeFault("Runtime.UserCodeSyntaxError", f"Syntax error in module '{module_name}': {error}") from error
    handler: Handler | None = getattr(module, function_name, None)
    if handler is None:
        raise RuntimeFault("Runtime.HandlerNotFound", f"Handler '{function_name}' missing on module '{module_name}'")
    return handler


def _parse(body: str) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise RuntimeFault("Runtime.UnmarshalError", f"Unable to unmarshal input: {error}") from error


def _marshal(result: Any) -> str:
    try:
        return json.dumps(result, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise RuntimeFault("Runtime.MarshalError", f"Unable to marshal response: {error}") from error


def _error(message: str, error_type: str, stack_trace: list[str], request_id: str) -> str:
    report = {"errorMessage": message, "errorType": error_type, "requestId": request_id, "stackTrace": stack_trace}
    return json.dumps(report, ensure_ascii=False)


def _exit_error(death: BaseException, request_id: str) -> str:
    status = death.code if isinstance(death, SystemExit) and isinstance(death.code, int) else 1
    if isinstance(death, SystemExit) and death.code in {None, 0}:
        reason = "Runtime exited without providing a reason"
    else:
        reason = f"Runtime exited with error: exit status {status}"
    return json.dumps({"errorType": "Runtime.ExitError", "errorMessage": f"RequestId: {request_id} Error: {reason}"})
