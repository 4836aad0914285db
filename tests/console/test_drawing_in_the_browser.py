"""The drawing as Chromium shows it: the sizes of its texts, what is cut, the keyboard, and shapes that it lists."""

import json
import re
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from local.stack import Stack
from tests.console.browsing import assert_accessible, new_job, node, open_job
from tests.console.conftest import PATIENCE_MILLISECONDS, Serve
from tests.executions.running import SERVICES, payload_for
from tests.executions.stage_faults import STAGES, Fault, failing

pytestmark = pytest.mark.slow

expect.set_options(timeout=PATIENCE_MILLISECONDS)
both_screens = pytest.mark.parametrize("size", [(1440, 900), (390, 844)], ids=["laptop", "phone"])

TEXT_SIZES = """() => [...document.querySelectorAll(".picture .box text")].filter(one => one.getClientRects().length)
    .map(one => parseFloat(getComputedStyle(one).fontSize) * one.getScreenCTM().a)"""
CUT = """() => {
    const picture = document.querySelector(".picture").getBoundingClientRect(), cut = [];
    for (const box of document.querySelectorAll(".picture .box")) {
        if (!box.getClientRects().length) continue;
        const rect = box.querySelector("rect").getBoundingClientRect();
        if (rect.left < picture.left || rect.right > picture.right || rect.right > innerWidth) cut.push(box.ariaLabel);
        for (const text of box.querySelectorAll("text")) {
            const inside = text.getBoundingClientRect();
            const fits = inside.left >= rect.left && inside.right <= rect.right && inside.bottom <= rect.bottom;
            if (!fits) cut.push(text.textContent);
        }
    }
    return cut;
}"""


@both_screens
def test_every_text_is_readable_and_nothing_is_cut(
    page: Page, console: str, stack: Stack, project_id: str, size: tuple[int, int]
) -> None:
    job = new_job()
    with failing(stack, STAGES["registering_realtime"], Fault.ERROR):
        stack.run(payload_for(project_id, *SERVICES), job)
    page.set_viewport_size({"width": size[0], "height": size[1]})
    open_job(page, console, job)
    sizes = page.evaluate(TEXT_SIZES)
    assert len(sizes) > 20
    assert min(sizes) >= 12
    assert page.evaluate(CUT) == []
    page.locator('.picture [data-emit="unfold"]:visible').click()
    expect(node(page, "Take up the job")).to_be_visible()
    assert page.evaluate(CUT) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
    assert_accessible(page)


def test_arrow_keys_move_in_the_drawing_and_enter_chooses(
    page: Page, console: str, stack: Stack, project_id: str
) -> None:
    job = new_job()
    stack.run(payload_for(project_id, *SERVICES), job)
    open_job(page, console, job)
    node(page, "Create tenant schema").focus()
    reached = []
    for key in ("ArrowUp", "ArrowDown", "ArrowDown", "ArrowDown", "ArrowRight"):
        page.keyboard.press(key)
        reached.append(page.evaluate("document.activeElement.dataset.value"))
    assert reached[:3] == ["Create tenant database", "Create tenant schema", "Register services"]
    assert reached[3].startswith("Register ")
    assert reached[4].startswith("Register ")
    assert reached[3] != reached[4]
    page.keyboard.press("Enter")
    expect(page.locator(".state-head")).to_contain_text(reached[4])
    expect(node(page, reached[4])).to_be_focused()
    expect(node(page, reached[4])).to_have_attribute("aria-pressed", "true")
    expect(page.locator(".picture .box[tabindex='0']:visible")).to_have_count(1)


def test_a_loop_is_a_list_whose_states_can_be_chosen(page: Page, stack: Stack, serve: Serve) -> None:
    again: dict[str, Any] = {"Variable": "$.n", "IsPresent": True, "Next": "Count"}
    states = {"Count": {"Type": "Pass", "Result": {}, "Next": "Again?"}, "Done": {"Type": "Succeed"}}
    loop = {
        "StartAt": "Count",
        "States": states | {"Again?": {"Type": "Choice", "Choices": [again], "Default": "Done"}},
    }
    client = stack.client("stepfunctions")
    arn = client.create_state_machine(
        name="loop", definition=json.dumps(loop), roleArn="arn:aws:iam::123456789012:role/loop"
    )["stateMachineArn"]
    client.start_execution(stateMachineArn=arn, name="one", input="{}")
    page.goto(f"{serve(arn)}/executions/one")
    expect(page.locator(".picture svg")).to_have_count(0)
    page.locator(".picture").get_by_role("button", name=re.compile("Again")).click()
    expect(page.locator(".state-head")).to_contain_text("Again?")
