"""make screenshots: runs on a stack of their own, and the lists over them, as the console shows them, for docs/."""

import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from unittest.mock import patch

from playwright.sync_api import Browser, Page, expect, sync_playwright

from local.stack import Stack
from local.template import REPOSITORY
from provisioning import control_plane
from provisioning.control_plane import Project
from provisioning.examination import recording
from provisioning.jobs.suspend_project import SUSPEND_PROJECT
from tests.console.conftest import held_clock, serving
from tests.executions import stage_faults
from tests.executions.running import SERVICES, payload_for
from tests.executions.stage_faults import STAGES, Fault, failing

DIRECTORY = REPOSITORY / "docs" / "screenshots"
SIZE = {"width": 1360, "height": 900}
PROJECT = "demo-project"
OTHERS = {"bookshop": ("auth", "storage"), "warehouse": ("auth",), "weather": ("auth", "realtime")}
ROWS = "tbody tr"


def main() -> None:
    """Make the pictures. Exit with code 2 if there is no browser."""
    chromium = shutil.which("chromium")
    if chromium is None:
        sys.exit("no chromium on the PATH: apt-get install chromium")
    DIRECTORY.mkdir(parents=True, exist_ok=True)
    with ExitStack() as undo:
        directory = undo.enter_context(tempfile.TemporaryDirectory(prefix="provisioner-"))
        stack = undo.enter_context(Stack(Path(directory), time_scale=0.0001, fsync=False))
        console = undo.enter_context(serving(stack, stack.state_machine_arn))
        playwright = undo.enter_context(sync_playwright())
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--headless"])
        undo.callback(browser.close)
        undo.enter_context(patch.object(stage_faults, "MESSAGE", "no space left on device"))
        payload = payload_for(PROJECT, *SERVICES)
        for project, services in OTHERS.items():
            control_plane.connect().record_project(Project(project, "acme", "alice", "us-east-1"))
            stack.run(payload_for(project, *services))
        stack.run({"project_id": next(iter(OTHERS))}, job_type=SUSPEND_PROJECT.job_type)
        # The project is provisioned once, so the runs that fail come first.
        with failing(stack, STAGES["registering_realtime"], Fault.ERROR):
            rolled_back = stack.run(payload)["name"]
        with _opened(browser, "dark") as page:
            _take(page, f"{console}/executions/{rolled_back}", "rolled-back")
        with held_clock(stack) as go_on, failing(stack, STAGES["creating_schema"], Fault.ERROR, 1):
            arn = stack.start_execution(payload)
            address = f"{console}/executions/{arn.rpartition(':')[2]}"
            with _opened(browser, "light") as page:
                page.goto(address)
                page.wait_for_selector(".countdown")
                _take(page, address, "retrying")
                _take(page, f"{console}/jobs", "jobs", ROWS)
            go_on.set()
            stack.wait(arn)
        recording.record(control_plane.connect(), *control_plane.connect().clusters())
        with _opened(browser, "light") as page:
            _take(page, address, "succeeded")
            _take(page, f"{console}/projects", "projects", ROWS)
            _take(page, f"{console}/projects/{PROJECT}", "tenant", ".jobs-timeline li")
            _take(page, f"{console}/clusters", "clusters", ROWS)


@contextmanager
def _opened(browser: Browser, scheme: str) -> Iterator[Page]:
    context = browser.new_context(viewport=SIZE, color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]
    yield context.new_page()
    context.close()


def _take(page: Page, address: str, name: str, *wanted: str) -> None:
    page.goto(address)
    for part in wanted or (".picture .box:visible", ".attempt"):
        page.wait_for_selector(part)
    expect(page.get_by_text("Reading its log lines")).to_have_count(0)
    file = DIRECTORY / f"{name}.png"
    page.screenshot(path=file)
    print(f"{file.relative_to(REPOSITORY)}: {file.stat().st_size // 1024} KiB")


if __name__ == "__main__":
    main()
