"""A real headless Chromium, and the consoles that it opens, each in its own process."""

import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import IO
from unittest.mock import patch

import pytest
from playwright.sync_api import Browser, Page, sync_playwright
from typing_extensions import override

from local.stack import Stack
from local.template import REPOSITORY

PATIENCE_MILLISECONDS = 20_000

Serve = Callable[..., str]


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skips tests in the browser where there is none, before they start anything. In CI they fail."""
    if "browser" in getattr(item, "fixturenames", ()) and shutil.which("chromium") is None:
        end = pytest.fail if os.environ.get("CI") else pytest.skip
        end("tests of the execution view: no Chromium was found (apt-get install chromium)")


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Debian's Chromium."""
    chromium = shutil.which("chromium")
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--headless"])
        yield launched
        launched.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page that reports every error in its scripts and every request that leaves this machine."""
    context = browser.new_context(viewport={"width": 1440, "height": 1000}, accept_downloads=True)
    context.set_default_timeout(PATIENCE_MILLISECONDS)
    opened = context.new_page()
    problems: list[str] = []
    opened.on("pageerror", lambda error: problems.append(str(error)))
    opened.on("request", lambda request: _only_here(request.url, problems))
    yield opened
    context.close()
    assert problems == []


def _only_here(url: str, problems: list[str]) -> None:
    if not url.startswith(("http://127.0.0.1:", "ws://127.0.0.1:", "data:", "blob:")):
        problems.append(f"a request to {url}")


@pytest.fixture(scope="session")
def serve(stack: Stack) -> Iterator[Serve]:
    """Start `provision console` of a state machine of the stack, and return its address."""
    with ExitStack() as undo:
        yield lambda state_machine_arn, *options: undo.enter_context(serving(stack, state_machine_arn, *options))


@contextmanager
def serving(stack: Stack, state_machine_arn: str, *options: str) -> Iterator[str]:
    """Run `provision console` in a process of its own, and yield its address."""
    with process_serving(stack, state_machine_arn, *options) as (address, _):
        yield address


@contextmanager
def process_serving(stack: Stack, state_machine_arn: str, *options: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Run `provision console` in a process of its own, and yield its address and the process."""
    command = [sys.executable, "-m", "cli.app", "console", "--port", "0", *options]
    command += ["--endpoint-url", stack.endpoint_url, "--state-machine-arn", state_machine_arn]
    path = os.pathsep.join([str(REPOSITORY), str(REPOSITORY / "functions")])
    environment = {**os.environ, "PYTHONPATH": path}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as started:
        try:
            assert started.stdout
            yield _address(started.stdout), started
        finally:
            started.terminate()


def _address(output: IO[str]) -> str:
    line = output.readline()
    assert line.startswith("The console: "), line
    return line.removeprefix("The console: ").strip().rstrip("/")


@pytest.fixture(scope="session")
def console(stack: Stack, serve: Serve) -> str:
    """The address of a console of the stack's own state machine. It does not know the test clock: 300 s are 300 s."""
    return serve(stack.state_machine_arn)


@contextmanager
def held_clock(stack: Stack) -> Iterator[threading.Event]:
    """Make waits between attempts last until the event is set, or 300 real seconds."""

    class GoOn(threading.Event):
        @override
        def set(self) -> None:
            super().set()
            stack.clock._wake()

    go_on = GoOn()
    with patch.object(stack.clock, "scale", 1.0), patch.object(stack.clock, "_stopped", go_on):
        try:
            yield go_on
        finally:
            go_on.set()
