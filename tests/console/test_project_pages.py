"""The pages of projects, tenants and clusters, in a real browser: what there is, and never a secret's value."""

import re
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from cli.tenant_access import find
from local.stack import Stack
from provisioning import control_plane
from provisioning.examination import recording
from provisioning.identity import TenantNames
from provisioning.jobs.registry import DECLARATIONS
from tests.cli.commanding import api_of
from tests.conftest import NewProject
from tests.console.browsing import assert_accessible, smallest_text
from tests.console.conftest import PATIENCE_MILLISECONDS
from tests.executions.running import SERVICES, Ran, execute, payload_for, run
from tests.isolation.secret_search import Secrets, found_in

pytestmark = pytest.mark.slow

expect.set_options(timeout=PATIENCE_MILLISECONDS)

POOLED = """
    SELECT tenant_id FROM control_plane.tenants
    WHERE project_id IS NULL AND state = 'ready' ORDER BY created_at LIMIT 1
"""
CLUSTER = "local"
"""The stack's own: other tests of a session may have added clusters."""


@pytest.fixture(scope="module")
def provisioned(stack: Stack, new_project: NewProject) -> tuple[str, Ran]:
    """A project with a tenant and every service, and its job."""
    project_id = new_project()
    return project_id, run(stack, payload_for(project_id, *SERVICES))


def test_a_project_has_its_status_tenant_services_job_and_connection_string(
    page: Page, console: str, stack: Stack, provisioned: tuple[str, Ran]
) -> None:
    project_id, ran = provisioned
    page.goto(f"{console}/projects?search={project_id}")
    row = page.locator(f'tr[data-project="{project_id}"]')
    for text in ("active", ran.output["tenant_id"], *SERVICES, "Provision project", "succeeded"):
        expect(row).to_contain_text(text)
    shown = row.get_by_role("button", name="Copy the connection string")
    assert shown.get_attribute("data-copy") == find(api_of(stack), project_id).url(with_password=False)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    shown.click()
    expect(shown).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == shown.get_attribute("data-copy")


def test_projects_are_filtered_and_searched_in_the_address(
    page: Page, console: str, stack: Stack, provisioned: tuple[str, Ran], project_id: str
) -> None:
    known, ran = provisioned
    page.goto(f"{console}/projects")
    expect(page.locator(f'tr[data-project="{project_id}"]')).to_contain_text("created")
    page.get_by_label("Status").select_option("active")
    page.wait_for_url("**/projects?status=active")
    expect(page.locator(f'tr[data-project="{project_id}"]')).to_have_count(0)
    page.get_by_label("Search").fill(ran.output["tenant_id"])
    expect(page.locator("tbody tr")).to_have_count(1)
    page.reload()
    expect(page.locator("tbody tr th")).to_have_text(known)


def test_a_tenant_has_its_names_schema_registrations_hints_secret_jobs_and_actions(
    page: Page, console: str, stack: Stack, provisioned: tuple[str, Ran]
) -> None:
    project_id, ran = provisioned
    names = TenantNames(ran.output["tenant_id"])
    page.goto(f"{console}/projects/{project_id}")
    tenant = page.get_by_role("region", name="Tenant", exact=True)
    expect(page.locator("h1")).to_contain_text(f"{project_id} ✓active")
    for text in (names.database, names.owner_role, names.login_role, ":secretsmanager:", *ran.output["services"]):
        expect(tenant).to_contain_text(re.compile(re.escape(text), re.IGNORECASE))
    expect(tenant).to_contain_text(re.compile(r"Schema version\s*\d+"))
    expect(tenant).to_contain_text("not revealed")
    expect(page.locator(f'[data-job="{ran.job_id}"]')).to_contain_text("succeeded")
    offered = {one.command.replace("PROJECT", project_id) for one in DECLARATIONS.values() if "active" in one.opens_in}
    assert set(page.get_by_role("region", name="Actions").locator("code").all_inner_texts()) == offered
    page.get_by_role("region", name="Actions").get_by_role("link").first.click()
    expect(page.get_by_label("Project id", exact=True)).to_have_value(project_id)
    page.goto(f"{console}/tenants/{names.tenant_id}")
    expect(page.locator("h1")).to_contain_text(project_id)


def test_a_tenant_of_the_pool_has_a_page_and_no_project(page: Page, console: str, stack: Stack) -> None:
    found = execute(stack, POOLED, "control_plane")
    page.goto(f"{console}/tenants/{found[0][0] if found else 'x' * 20}")
    expect(page.locator("h1")).to_contain_text(found[0][0] if found else "no such page")


def test_a_cluster_has_its_room_connections_versions_and_what_upkeep_found(
    page: Page, console: str, stack: Stack
) -> None:
    control = control_plane.connect()
    (cluster,) = [one for one in control.clusters() if one.cluster_id == CLUSTER]
    recording.record(control, cluster)
    (found,) = recording.find(control, CLUSTER)
    page.goto(f"{console}/clusters")
    page.get_by_role("link", name=cluster.cluster_id, exact=True).click()
    for text in (f"{found.room:,} of {found.capacity:,}", str(found.server_version), "kept for the admin"):
        expect(page.get_by_role("region", name="Server")).to_contain_text(text)
    assert page.locator(".findings li").all_inner_texts() == (found.findings or [])


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_is_accessible_legible_and_fits_a_phone(
    page: Page, console: str, stack: Stack, provisioned: tuple[str, Ran], scheme: Any
) -> None:
    page.emulate_media(color_scheme=scheme)
    for path in ("projects", f"projects/{provisioned[0]}", "clusters", f"clusters/{CLUSTER}", "start", "none"):
        page.set_viewport_size({"width": 1440, "height": 900})
        page.goto(f"{console}/{path}")
        assert_accessible(page)
        assert (path, max(12, smallest_text(page))) == (path, smallest_text(page))
        page.set_viewport_size({"width": 390, "height": 844})
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, path
        assert (path, max(12, smallest_text(page))) == (path, smallest_text(page))


def test_no_secret_is_on_these_pages(page: Page, console: str, stack: Stack, provisioned: tuple[str, Ran]) -> None:
    secrets = Secrets(stack)
    secrets.gather()
    shown = []
    for path in ("projects", f"projects/{provisioned[0]}", "clusters", "jobs"):
        page.goto(f"{console}/{path}")
        expect(page.locator("body[data-live]")).to_be_attached()
        shown.append(page.content())
    assert found_in("\n".join(shown).encode(), secrets.named) == []
