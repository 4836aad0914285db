"""The page of one execution: its tabs, a state on a phone, the keys, what is announced, and sizes of all texts."""

import json
import re
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from local.stack import Stack
from tests import shipped
from tests.conftest import NewProject
from tests.console.browsing import assert_accessible, held, new_job, node, open_job
from tests.console.conftest import PATIENCE_MILLISECONDS
from tests.executions.running import SERVICES, payload_for
from tests.executions.stage_faults import STAGES, Fault, failing

pytestmark = pytest.mark.slow

expect.set_options(timeout=PATIENCE_MILLISECONDS)
SMALL = """() => [...document.querySelectorAll("body *")].filter(one => one.getClientRects().length
        && [...one.childNodes].some(node => node.nodeType === 3 && node.textContent.trim())
        && parseFloat(getComputedStyle(one).fontSize) < 12).map(one => one.outerHTML.slice(0, 120))"""


@pytest.fixture(scope="module")
def rolled_back(stack: Stack, new_project: NewProject) -> str:
    """A job that was rolled back."""
    job = new_job()
    with failing(stack, STAGES["registering_realtime"], Fault.ERROR):
        stack.run(payload_for(new_project(), *SERVICES), job)
    return job


def test_a_tab_shows_its_part_and_stays_chosen_when_the_page_is_loaded_again(
    page: Page, console: str, rolled_back: str
) -> None:
    open_job(page, console, rolled_back)
    expect(page.get_by_role("tab", name="Resources")).to_have_attribute("aria-selected", "true")
    page.get_by_role("tab", name="Resources").press("ArrowRight")
    expect(page.get_by_role("tabpanel", name="Ledger")).to_contain_text("registering_auth")
    page.get_by_role("tab", name="Definition").click()
    expect(page.get_by_role("tabpanel")).to_have_count(1)
    expect(page.get_by_label("Definition").get_by_text('"StartAt"')).to_be_visible()
    page.reload()
    expect(page.get_by_label("Definition").get_by_text('"StartAt"')).to_be_visible()
    shown = json.loads(page.locator("#panel-definition pre").inner_text())
    assert list(shown["States"]) == list(shipped.definition()["States"])


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [(1440, 900), (390, 844)], ids=["laptop", "phone"])
def test_every_text_of_the_page_has_12_pixels_and_axe_finds_nothing_serious(
    page: Page, console: str, rolled_back: str, size: tuple[int, int], scheme: Any
) -> None:
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": size[0], "height": size[1]})
    open_job(page, console, rolled_back)
    for tab in page.get_by_role("tab").all():
        tab.click()
        assert page.evaluate(SMALL) == []
        assert_accessible(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= size[0]


def test_a_chosen_state_is_a_sheet_on_a_phone_until_it_is_closed(page: Page, console: str, rolled_back: str) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    open_job(page, console, rolled_back)
    expect(page.locator(".state-head")).to_be_hidden()
    page.locator('[data-key="state-Create tenant schema"]').click()
    expect(page.locator(".state-head")).to_contain_text("Create tenant schema")
    expect(page.locator(".state-head")).to_be_in_viewport()
    page.get_by_role("region", name="State", exact=True).get_by_role("button", name="Close").click()
    expect(page.locator(".state-head")).to_be_hidden()


def test_the_stages_come_first_and_keys_lead_through_the_page(page: Page, console: str, rolled_back: str) -> None:
    open_job(page, console, rolled_back)
    order = page.evaluate(
        """() => [...document.querySelectorAll("main :is(a, button, input, [tabindex='0'])")]
            .filter(one => one.getClientRects().length && one.tabIndex >= 0).map(one => one.dataset.key ?? "")"""
    )
    first = [key.startswith("state-") for key in order].index(True)
    assert first <= 4
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("k")
    assert page.evaluate("document.activeElement.dataset.key") == order[first + 1]
    page.keyboard.press("Enter")
    expect(page.locator(".state-head")).to_contain_text(order[first + 1].removeprefix("state-"))
    page.keyboard.press("/")
    expect(page.get_by_label("Search events")).to_be_focused()
    page.keyboard.type("jk?")
    expect(page.get_by_label("Search events")).to_have_value("jk?")
    page.get_by_role("tab", name="Events").focus()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_a_change_of_status_is_announced(page: Page, console: str, stack: Stack, project_id: str) -> None:
    job = new_job()
    with held(stack, "CreateSchemaFunction"):
        arn = stack.start_execution(payload_for(project_id), job)
        open_job(page, console, job)
        expect(node(page, "Create tenant schema")).to_have_class(re.compile("running"))
    stack.wait(arn)
    expect(page.locator("[aria-live=polite]#announcer")).to_have_text(f"{project_id}: succeeded")


def test_the_next_command_of_an_ending_can_be_copied(page: Page, console: str, rolled_back: str) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    open_job(page, console, rolled_back)
    expect(page.locator("#ending code")).to_have_text(f"once that is corrected, provision retry {rolled_back}")
    page.get_by_role("button", name="Copy “retry”").click()
    expect(page.locator("#announcer")).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == f"provision retry {rolled_back}"


def test_a_question_says_what_is_done_and_a_refusal_stays_in_it(page: Page, console: str, rolled_back: str) -> None:
    open_job(page, console, rolled_back)
    page.route("**/retry", lambda route: route.fulfill(status=409, body="not now"))
    page.get_by_role("button", name="Retry …").click()
    expect(page.get_by_role("dialog")).to_contain_text(f"provision retry {rolled_back}")
    page.get_by_role("dialog").get_by_role("button", name="Retry", exact=True).click()
    expect(page.get_by_role("dialog").get_by_role("alert")).to_have_text("not now")
    expect(page.get_by_role("dialog").get_by_role("button", name="Retry", exact=True)).to_be_enabled()
