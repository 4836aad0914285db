"""What a page costs: bytes and requests in Chromium, and the memory of the server's process."""

import subprocess
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from local.stack import Stack
from tests.console.browsing import new_job
from tests.console.conftest import PATIENCE_MILLISECONDS, process_serving
from tests.executions.running import SERVICES, payload_for

pytestmark = pytest.mark.slow

expect.set_options(timeout=PATIENCE_MILLISECONDS)
MOST_BYTES = 100_000
MOST_REQUESTS = 8
MOST_MEGABYTES = 105
"""It was 127 with NiceGUI, of which boto3 is 37: docs/adr/0022-starlette-and-server-sent-events.md."""


def fetched(browser: Browser, address: str, wanted: str) -> tuple[list[str], int]:
    """The addresses that an empty browser asks for until a page is complete, and the bytes that it gets."""
    context = browser.new_context()
    page = context.new_page()
    network = context.new_cdp_session(page)
    network.send("Network.enable")
    asked, received = list[str](), list[int]()
    network.on("Network.requestWillBeSent", lambda event: asked.append(event["request"]["url"]))
    network.on("Network.dataReceived", lambda event: received.append(max(0, event["encodedDataLength"])))
    network.on("Network.responseReceived", lambda event: received.append(event["response"]["encodedDataLength"]))
    page.goto(address)
    expect(page.locator(wanted).first).to_be_visible()
    # The stream has said whether anything has changed.
    expect(page.locator("body[data-live]")).to_be_attached()
    context.close()
    return asked, sum(received)


def test_a_page_is_light_and_asks_nobody_else(
    browser: Browser, console: str, stack: Stack, project_id: str, record_property: Any
) -> None:
    job = new_job()
    stack.run(payload_for(project_id, *SERVICES), job)
    for address, wanted in ((console, "tbody tr"), (f"{console}/executions/{job}", ".picture .box:visible")):
        asked, size = fetched(browser, address, wanted)
        record_property(address.removeprefix(console) or "/", f"{size} bytes, {len(asked)} requests")
        assert all(one.startswith(f"{console}/") for one in asked)
        assert len(asked) <= MOST_REQUESTS
        assert size <= MOST_BYTES


def test_the_server_needs_little_memory(stack: Stack, browser: Browser, project_id: str, record_property: Any) -> None:
    job = new_job()
    stack.run(payload_for(project_id, *SERVICES), job)
    with process_serving(stack, stack.state_machine_arn) as (console, process):
        for address, wanted in ((console, "tbody tr"), (f"{console}/executions/{job}", ".picture .box:visible")):
            fetched(browser, address, wanted)
        record_property("megabytes", megabytes := resident(process))
    assert megabytes <= MOST_MEGABYTES


def resident(process: subprocess.Popen[str]) -> int:
    """The memory that a process has, in MB."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1]) // 1024
