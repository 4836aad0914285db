"""Executions with names that moto accepts and AWS refuses, on the real console."""

import json
from collections.abc import Mapping
from urllib.parse import urlsplit

import pytest
import urllib3
from hypothesis import example, given
from hypothesis import strategies as st
from playwright.sync_api import Page, expect

from console.addresses import execution_link, name_in
from console.state_machines import machine_of
from local.stack import Stack
from tests.console.conftest import PATIENCE_MILLISECONDS

NAMES = [
    *("../x", "..", ".", "#frag", "?q=1", "%2f", "%2e%2e", "~2F", "~FF", "a/b/history.json", "//evil.example"),
    *("\\evil.example", "ä 雪", "a\r\nX-Evil: 1", ":x:y", "$(id)", "x\0y", "\ud800", '" lone quote'),
    *('"><img src=x onerror=alert(1)>', "</script><script>alert(1)</script>", "javascript:alert(1)"),
]

CLICKED = ("../x", "..", "#frag", "x\0y", "\ud800")


@pytest.fixture(scope="module")
def strange(stack: Stack) -> Mapping[str, str]:
    """The address of an execution of each name."""
    for name in NAMES:
        stack.run({"project_id": "nobody", "region": "us-east-1"}, name)
    return {name: execution_link(machine_of(stack.state_machine_arn), name) for name in NAMES}


@given(st.text(min_size=1))
@example("%")
@example("~")
@example("...")
def test_any_name_is_read_back_from_its_address(name: str) -> None:
    machine, part = execution_link("m", name).split("/")[2:]
    assert (machine, name_in(part)) == ("m", name)


@given(st.text(min_size=1))
@example("..")
@example("a%2e")
def test_no_name_leaves_its_part_of_the_address(name: str) -> None:
    address = urlsplit(f"http://here{execution_link('m', name)}")
    part = address.path.split("/")[3]
    assert (address.query, address.fragment, address.path.count("/")) == ("", "", 3)
    assert "%" not in part
    assert part.strip(".")


def test_a_name_that_aws_accepts_is_its_own_address() -> None:
    assert execution_link("laptop-provision-project", "job_1.2+a=b@c") == (
        "/executions/laptop-provision-project/job_1.2+a=b@c"
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_its_page_history_and_events_are_its_own(console: str, strange: Mapping[str, str], name: str) -> None:
    for end in ("", "/history.json", "/events/1"):
        answer = urllib3.request("GET", f"{console}{strange[name]}{end}")
        assert (answer.status, answer.headers.get("x-evil")) == (200, None)
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
        if end == "/history.json":
            assert json.loads(answer.data)[0]["type"] == "ExecutionStarted"
            assert answer.headers["content-disposition"].isascii()


@pytest.mark.slow
@pytest.mark.parametrize("host", ["[", "a b", "127.0.0.1:x", "evil@127.0.0.1"])
def test_a_malformed_host_is_refused_in_one_line(console: str, host: str) -> None:
    for headers in ({"Host": host}, {"Origin": f"http://{host}"}):
        refused = urllib3.request("GET", console, headers=headers)
        assert (refused.status, refused.data.count(b"\n")) == (400, 0)


@pytest.mark.slow
def test_the_list_leads_to_their_pages(page: Page, console: str, strange: Mapping[str, str]) -> None:
    page.goto(f"{console}/executions")
    page.wait_for_selector("table")
    listed = page.locator("tbody th a").evaluate_all("all => all.map(one => one.getAttribute('href'))")
    assert set(strange.values()) <= set(listed)
    for address in (strange[name] for name in CLICKED):
        page.goto(f"{console}/executions")
        page.locator(f'tbody th a[href="{address}"]').click()
        page.wait_for_url(f"{console}{address}")
        expect(page.locator(".state-head, .picture .box").first).to_be_visible(timeout=PATIENCE_MILLISECONDS)
    page.wait_for_selector(".picture .box:visible")


@pytest.mark.slow
def test_a_script_in_the_markup_of_a_page_does_not_run(page: Page, console: str, stack: Stack) -> None:
    page.goto(f"{console}/executions")
    page.wait_for_selector(".list")
    page.evaluate("document.body.insertAdjacentHTML('beforeend', '<img src=/none onerror=\"window.ran = 1\">')")
    page.evaluate(
        "const one = document.createElement('script'); one.textContent = 'window.ran = 2'; document.body.append(one)"
    )
    page.wait_for_load_state("networkidle")
    assert page.evaluate("window.ran") is None
