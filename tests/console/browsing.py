"""What the tests in the browser do on every page."""

import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from local.stack import Stack
from provisioning.jobs.declaration import JobType
from provisioning.jobs.provision_project import PROVISION_PROJECT
from provisioning.ledger.progress import get_progress
from tests.executions.running import replaced

SIZES = """() => {
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT), sizes = [];
  while (texts.nextNode()) {
    const holder = texts.currentNode.parentElement;
    if (texts.currentNode.data.trim() && holder.getClientRects().length && !holder.closest(".visually-hidden, script"))
      sizes.push(parseFloat(getComputedStyle(holder).fontSize));
  }
  return Math.min(...sizes);
}"""


def execution_address(console: str, job: str, job_type: JobType = PROVISION_PROJECT.job_type) -> str:
    """Return the address of an execution of the laptop's state machine for the job type."""
    return f"{console}/executions/laptop-{job_type.replace('_', '-')}/{job}"


def open_job(page: Page, console: str, job: str) -> None:
    """Open the page of a job and wait for its picture."""
    page.goto(f"{console}/executions/{job}")
    page.wait_for_selector(".picture .box:visible")


def new_job() -> str:
    """Return the id of a job that nobody has started."""
    return f"job-{uuid.uuid4().hex[:12]}"


def node(page: Page, state: str) -> Any:
    """Return the state's box in the drawing."""
    return page.locator(f'.picture g.box[data-value="{state}"]:visible')


@contextmanager
def held(stack: Stack, function: str) -> Iterator[threading.Event]:
    """Keep a function from answering until the event is set."""
    go_on = threading.Event()

    def around(handler: Any, event: Any, context: Any) -> Any:
        go_on.wait(60)
        return handler(event, context)

    with replaced(stack, function, around):
        try:
            yield go_on
        finally:
            go_on.set()


def assert_equal_to_status(page: Page, job: str) -> None:
    """Assert that the page says the same as `provision job` about the job and each stage."""
    progress = get_progress(job)
    assert progress
    expect(page.locator("#percent .percent")).to_have_text(f"{progress.percent} %")
    expect(page.locator("#ledger-percent")).to_have_text(f"{progress.percent} %")
    expect(page.locator("#ledger-stage")).to_have_text(progress.stage)
    for step in progress.steps:
        cells = page.locator(f'#ledger tr[data-stage="{step.stage}"] td')
        expect(cells.nth(0)).to_contain_text(step.status)
        expect(cells.nth(1)).to_have_text(str(step.attempt or ""))


def assert_accessible(page: Page) -> None:
    """Assert that the page has no violation that axe-core calls serious or critical."""
    found = Axe().run(page).response["violations"]
    grave = [
        (one["id"], one["nodes"][0]["html"][:200], one["nodes"][0]["failureSummary"])
        for one in found
        if one["impact"] in {"serious", "critical"}
    ]
    assert grave == []


def smallest_text(page: Page) -> float:
    """Return the size in pixels of the smallest text that is visible on the page."""
    return float(page.evaluate(SIZES))
