"""Lambda on a laptop: run the shipped handlers in this process, each function in its own growing set of environments.

Replace moto's containerless invoke, so that Step Functions, boto3 and the AWS command line all reach the handlers and
get their errors exactly as Lambda reports them.
"""

import threading
import time
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from moto.awslambda_simple.models import LambdaSimpleBackend

from local.lambda_environment import Handler, Invocation, LambdaContext, LambdaEnvironment
from local.lambda_output import LambdaOutput
from local.template import Function

ERROR_HEADER = "x-amz-function-error"
CLOSE_TIMEOUT_SECONDS = 5.0


class LambdaRuntime:
    """The environments of a template's functions. Timeouts of the template are multiplied by timeout_scale."""

    def __init__(self, functions: Iterable[Function], output: LambdaOutput, *, timeout_scale: float = 1.0) -> None:
        self._functions = {function.resource: function for function in functions}
        self._output = output
        self._timeout_scale = timeout_scale
        self._lock = threading.Lock()
        self._idle: dict[str, list[LambdaEnvironment]] = {name: [] for name in self._functions}
        self._busy: set[LambdaEnvironment] = set()
        self._outdated: set[LambdaEnvironment] = set()
        self._started = 0
        self._instead: dict[str, Handler] = {}
        self._patch = patch.object(LambdaSimpleBackend, "invoke", self._moto_invoke())

    def install(self) -> None:
        """Answer moto's invocations from here on, until close()."""
        self._patch.start()

    def close(self) -> None:
        """Restore moto's own invoke and retire all environments, waiting a moment for events in flight."""
        self._patch.stop()
        with self._lock:
            environments = [*self._busy, *(one for idle in self._idle.values() for one in idle)]
            self._idle = {name: [] for name in self._functions}
        for environment in environments:
            environment.retire()
        deadline = time.monotonic() + CLOSE_TIMEOUT_SECONDS
        for environment in environments:
            environment.join(max(0.0, deadline - time.monotonic()))

    def renew(self) -> None:
        """Have every event from here on handled by a new environment, as after a deployment; those in flight end."""
        with self._lock:
            idle = [one for environments in self._idle.values() for one in environments]
            self._idle = {name: [] for name in self._functions}
            self._outdated |= self._busy
        for environment in idle:
            environment.retire()

    def invoke(self, function_name: str, body: str, arn: str = "") -> Invocation:
        """Run one event in an idle environment, or a new one. Raise KeyError for an unknown function."""
        function = self._functions[function_name]
        environment = self._take(function)
        context = LambdaContext(
            function_name=function_name,
            memory_limit_in_mb=str(function.memory_megabytes),
            invoked_function_arn=arn,
            aws_request_id=str(uuid.uuid4()),
            log_stream_name=environment.name,
            deadline=time.monotonic() + function.timeout_seconds * self._timeout_scale,
        )
        try:
            return environment.invoke(body, context, self._instead.get(function_name))
        finally:
            self._give_back(environment)

    @contextmanager
    def replaced(self, function_name: str, handler: Handler) -> Iterator[None]:
        """Replace a function's handler, in the same environments: for faults that tests inject."""
        self._instead[function_name] = handler
        try:
            yield
        finally:
            self._instead.pop(function_name, None)

    def environments(self, function_name: str) -> int:
        """Return how many environments of a function wait for their next event."""
        with self._lock:
            return len(self._idle[function_name])

    def _take(self, function: Function) -> LambdaEnvironment:
        with self._lock:
            idle = self._idle[function.resource]
            if idle:
                environment = idle.pop()
            else:
                self._started += 1
                environment = LambdaEnvironment(function, self._output, self._started)
            self._busy.add(environment)
            return environment

    def _give_back(self, environment: LambdaEnvironment) -> None:
        with self._lock:
            self._busy.discard(environment)
            is_outdated = environment in self._outdated
            self._outdated.discard(environment)
            if environment.usable and not is_outdated:
                self._idle[environment.function.resource].append(environment)
        if is_outdated:
            environment.retire()

    def _moto_invoke(self) -> Any:
        runtime = self

        def invoke(
            backend: LambdaSimpleBackend,
            function_name: str,
            qualifier: str | None,
            body: Any,
            _headers: Any,
            response_headers: dict[str, str],
        ) -> bytes:
            function = backend.get_function(function_name, qualifier)
            text = body.decode() if isinstance(body, bytes) else str(body or "{}")
            invocation = runtime.invoke(function.function_name, text, function.function_arn)
            if invocation.failed:
                response_headers[ERROR_HEADER] = "Unhandled"
            return invocation.payload.encode()

        return invoke
