"""The stack as a background process: started, found again from another shell, and stopped."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from local import access_key, start_options, state
from local.aws_client import use_environment
from local.containers import bridge_gateway, write_container_template
from local.errors import AlreadyExists, HumanError, Unavailable, error_of
from local.external_services import Given
from local.postgres import LOOPBACK, PostgresServer
from local.stack import Stack
from provisioning.stage import Service

UPKEEP = ("RefillPoolsFunction", "ReconcileFunction")
UPKEEP_SECONDS = 5
STOP_TIMEOUT_SECONDS = 30
POLL_SECONDS = 0.05


@dataclass(frozen=True)
class RunningStack:
    """The address of a stack that runs in another process."""

    endpoint_url: str
    state_machine_arn: str
    credentials: Path
    """The file with its access key, in the form of the AWS CLI's own."""


def start(
    state_directory: Path,
    port: int | None,
    time_scale: float,
    *,
    containers: bool = False,
    options: Sequence[str] = (),
) -> None:
    """Start a stack in the background and return when it is ready. The port defaults to the last one, or 8083.

    `options` are passed on to its process.

    Raise HumanError with the reason if it does not start.
    """
    if state.holder(state_directory) is not None:
        running = connect(state_directory)
        given = start_options.Given(port, time_scale, containers, options)
        said = start_options.what_differs(state_directory, given)
        raise AlreadyExists(f"the stack is already running: {running.endpoint_url}{said}")
    state.prepare(state_directory)
    log = state_directory / "stack.log"
    arguments = ["--state-dir", str(state_directory.resolve()), "--time-scale", str(time_scale), *options]
    if port is not None:
        arguments += ["--port", str(port)]
    if containers:
        arguments.append("--containers")
    with state.create(log) as output:
        child = subprocess.Popen(  # noqa: S603 (this same program)
            [sys.executable, "-m", "cli.app", "up", "--foreground", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    deadline = time.monotonic() + state.START_TIMEOUT_SECONDS
    while "ready" not in log.read_text(errors="replace").splitlines():
        if child.poll() is not None:
            lines = log.read_text(errors="replace").strip().splitlines() or ["it said nothing"]
            raise error_of(child.returncode, lines[-1].removeprefix("provision: "))
        if time.monotonic() > deadline:
            child.terminate()
            raise Unavailable(f"the stack was not ready after {state.START_TIMEOUT_SECONDS} s: see {log}")
        time.sleep(POLL_SECONDS)


def _print_ready(endpoint_url: str) -> None:
    print(f"endpoint: {endpoint_url}\nready", flush=True)


def run_until_interrupted(
    state_directory: Path,
    port: int | None,
    time_scale: float,
    *,
    containers: bool = False,
    services: Mapping[Service, Given] | None = None,
    ready: Callable[[str], None] = _print_ready,
) -> None:
    """Run a stack in this process until SIGINT or SIGTERM, on loopback, or where Docker's containers can reach it.

    `ready` is called with the endpoint once it can be used.

    Raise HumanError if it does not start.
    """
    bind = bridge_gateway() if containers else LOOPBACK
    if port is None:
        recorded = state.read(state_directory)
        port = recorded["ports"]["aws"] if recorded else state.DEFAULT_PORT
    try:
        with Stack(state_directory, time_scale=time_scale, bind=bind, port=port, services=services) as stack:
            ready(stack.endpoint_url)
            while True:
                # In an account EventBridge does this, on a schedule and whenever an execution has ended.
                for function in UPKEEP:
                    stack.runtime.invoke(function, "{}")
                threading.Event().wait(UPKEEP_SECONDS)
    except KeyboardInterrupt:
        return


def stop(state_directory: Path) -> str:
    """Stop the stack, or what a killed one left running, and return a message. Raise HumanError if nothing runs."""
    process = state.holder(state_directory)
    if process is None:
        server = PostgresServer(state_directory.resolve() / state.DATABASE)
        if not server.running():
            raise Unavailable(f"no stack is running with its state in {state_directory}")
        server.stop()
        return "Stopped the database that a killed stack had left running."
    os.kill(process, signal.SIGTERM)
    deadline = time.monotonic() + STOP_TIMEOUT_SECONDS
    while state.holder(state_directory) is not None:
        if time.monotonic() > deadline:
            raise Unavailable(f"the stack did not stop within {STOP_TIMEOUT_SECONDS} s: see its process {process}")
        time.sleep(POLL_SECONDS)
    return f"Stopped. Databases, registrations and secrets stay in {state_directory}."


def connect(state_directory: Path) -> RunningStack:
    """Point this process at the running stack, once it has started. Raise HumanError if there is none."""
    recorded = state.running(state_directory)
    use_environment({**recorded["environment"], **access_key.read(state_directory).environment()})
    credentials = access_key.credentials_file(state_directory.resolve())
    return RunningStack(recorded["endpoint_url"], recorded["state_machine_arn"], credentials)


def write_template_for_containers(state_directory: Path) -> Path:
    """Write the template with which `sam local` reaches the running stack, and return its path.

    Raise HumanError if no stack runs that containers can reach, or nothing is built.
    """
    stack = connect(state_directory)
    if f"//{LOOPBACK}:" in stack.endpoint_url:
        raise HumanError("the stack listens on loopback only: start it with `provision up --containers`")
    recorded = state.read(state_directory) or {}
    return write_container_template({**recorded["environment"], **access_key.read(state_directory).environment()})
