"""Lambda by `sam local start-lambda`, instead of the handlers in the stack's process."""

import json
import os
import re
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self
from unittest.mock import patch

import urllib3

from local.containers import OF_A_LAYER
from local.lambda_environment import Invocation
from local.postgres import LOOPBACK, free_port
from local.stack import Stack

START_TIMEOUT_SECONDS = 120
INVOCATION_TIMEOUT_SECONDS = 120
TIMED_OUT = re.compile(r"Task timed out after [0-9.]+ seconds")


def sam_environment() -> dict[str, str]:
    """The environment of SAM CLI, which takes a variable of its own before the template's."""
    return {name: one for name, one in os.environ.items() if name not in OF_A_LAYER} | {"SAM_CLI_TELEMETRY": "0"}


class StartLambda:
    """A running `sam local start-lambda`."""

    def __init__(self, command: Sequence[str], log: Path) -> None:
        self._port = free_port()
        self._log = log
        self._command = [*command, "--port", str(self._port)]
        self._http = urllib3.PoolManager(maxsize=16)

    def invoke(self, function_name: str, body: str, arn: str = "") -> Invocation:
        """Run one event in the function's container and return what Lambda would answer."""
        del arn
        url = f"http://{LOOPBACK}:{self._port}/2015-03-31/functions/{function_name}/invocations"
        answer = self._http.request("POST", url, body=body, timeout=INVOCATION_TIMEOUT_SECONDS, retries=False)
        assert answer.status == 200, (answer.status, answer.data)
        return as_lambda_answers(answer.data.decode())

    @contextmanager
    def in_place_of(self, stack: Stack) -> Iterator[None]:
        """Send every invocation of the stack's functions here."""
        with patch.object(stack.runtime, "invoke", self.invoke):
            yield

    @property
    def log(self) -> str:
        """What SAM CLI and the containers have written."""
        return self._log.read_text(errors="replace")

    def __enter__(self) -> Self:
        with self._log.open("w") as output:
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=sam_environment(),
            )
        deadline = time.monotonic() + START_TIMEOUT_SECONDS
        while not _answers(self._port):
            assert self._process.poll() is None, self.log
            assert time.monotonic() < deadline, self.log
            time.sleep(0.1)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        # Not SIGINT: a process that is started in the background may ignore it.
        self._process.terminate()
        self._process.wait(60)


def as_lambda_answers(body: str) -> Invocation:
    """Distinguish errors from results: start-lambda answers both with 200 and no X-Amz-Function-Error.

    An error is an object with an error's type and message, which no handler of ours returns; a timeout is its bare
    sentence, which is not even JSON.
    """
    if timed_out := TIMED_OUT.fullmatch(body):
        return Invocation(json.dumps({"errorType": "Sandbox.Timedout", "errorMessage": timed_out[0]}), failed=True)
    document = json.loads(body)
    return Invocation(body, failed=isinstance(document, dict) and {"errorType", "errorMessage"} <= set(document))


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((LOOPBACK, port)) == 0
