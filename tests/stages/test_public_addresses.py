"""The endpoint in a result is where a tenant's clients go, and the project's tokens open it; its API keys do not."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import pytest
import urllib3
from rich.console import Console

from cli import tenant_tokens
from local.errors import HumanError
from local.stack import Stack
from provisioning.errors import Misconfigured
from stages.database import create_database
from tests.executions.looking import look
from tests.executions.running import payload_for
from tests.stages import client_sides
from tests.stages.jobs import REGISTER, open_job
from tests.stages.native_apis import APIS, SERVES
from tests.stages.tenant_apis import TenantApi, native_service

PATTERNS = {service: f"https://{{tenant_id}}.{service}.example.com" for service in SERVES}

Ask = Callable[[str, str], int]


@contextmanager
def public(stack: Stack, monkeypatch: pytest.MonkeyPatch, service: str, pattern: str) -> Iterator[TenantApi]:
    monkeypatch.setenv(f"{service.upper()}_SERVICE_PUBLIC_URL", pattern)
    with native_service(stack, monkeypatch, service, SERVES[service], APIS[SERVES[service]]) as api:
        yield api


def tokens(project_id: str, console: Console) -> dict[str, str]:
    """What `provision keys --jwt` prints, by role."""
    with console.capture() as printed:
        tenant_tokens.print_tokens(project_id, console)
    return dict(line.split() for line in printed.get().splitlines()[:2])


@pytest.fixture
def console() -> Console:
    return Console(markup=False, highlight=False)


@pytest.mark.parametrize("service", REGISTER)
def test_the_endpoint_is_the_public_address_of_the_tenant(
    stack: Stack, project_id: str, monkeypatch: pytest.MonkeyPatch, service: str
) -> None:
    monkeypatch.setenv(f"{service.upper()}_SERVICE_PUBLIC_URL", f"https://{{tenant_id}}.{service}.example.com/v1")
    job = open_job(project_id)
    job.run(create_database)
    output = job.run(REGISTER[service])
    assert output["endpoint"] == f"https://{job.tenant_id}.{service}.example.com/v1"
    (row,) = look(stack, project_id).service_registrations
    assert row["endpoint"] == output["endpoint"]


@pytest.mark.parametrize(
    "pattern",
    [
        *("https://storage.example.com", "ftp://{tenant_id}.example.com", "https://{tenant_id}.example.com/{other}"),
        *("postgresql://u:p@{tenant_id}.example.com", "https://{tenant_id}.example.com/?a=b", "{tenant_id}"),
    ],
)
def test_a_public_address_that_cannot_be_one_is_refused_before_anything_is_registered(
    stack: Stack, project_id: str, monkeypatch: pytest.MonkeyPatch, pattern: str
) -> None:
    job = open_job(project_id)
    job.run(create_database)
    with public(stack, monkeypatch, "storage", pattern) as api:
        with pytest.raises(Misconfigured, match="a public URL must be"):
            job.run(REGISTER["storage"])
        assert api.tenants == {}


@pytest.fixture(params=["storage", "realtime"])
def clients(stack: Stack, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[Ask]:
    """Ask the service at an endpoint, with a bearer token, and return the status."""
    service = str(request.param)
    method, path = {"storage": ("GET", "/bucket"), "realtime": ("POST", "/api/broadcast")}[service]
    with (
        public(stack, monkeypatch, service, PATTERNS[service]) as api,
        client_sides.served_to_clients(getattr(client_sides, service)(api)) as url,
    ):

        def ask(endpoint: str, token: str) -> int:
            host = urlsplit(endpoint).netloc
            headers = {"Host": host, "X-Forwarded-Host": host, "Authorization": f"Bearer {token}"}
            return urllib3.PoolManager().request(method, f"{url}{path}", headers=headers, retries=False).status

        ask.service = service  # type: ignore[attr-defined]
        yield ask


def provisioned(stack: Stack, project_id: str, service: str) -> str:
    """Provision a project that wants the service, and return the endpoint in its result."""
    outcome = stack.run(payload_for(project_id, service))
    assert outcome["status"] == "SUCCEEDED", outcome
    return str(json.loads(outcome["output"])["services"][service]["endpoint"])


def test_each_token_of_the_project_works_at_its_endpoint_and_at_no_other(
    stack: Stack, new_project: Callable[[], str], clients: Ask, console: Console
) -> None:
    service = clients.service  # type: ignore[attr-defined]
    ours, other = new_project(), new_project()
    endpoint, elsewhere = (provisioned(stack, one, service) for one in (ours, other))
    of_ours, of_other = tokens(ours, console), tokens(other, console)
    assert of_ours.keys() == {"anon", "service_role"}
    works = {clients(endpoint, token) for token in of_ours.values()}
    refused = {clients(endpoint, token) for token in of_other.values()} | {clients(elsewhere, of_ours["anon"])}
    assert (works <= {200, 202}, refused <= {400, 401}) == (True, True), (works, refused)


def test_an_api_key_is_no_token(stack: Stack, project_id: str, clients: Ask) -> None:
    endpoint = provisioned(stack, project_id, clients.service)  # type: ignore[attr-defined]
    client = stack.client("secretsmanager")
    (name,) = [
        one["Name"]
        for page in client.get_paginator("list_secrets").paginate()
        for one in page["SecretList"]
        if _tenant(endpoint) in one["Name"] and "api-keys" in one["Name"]
    ]
    for key in json.loads(client.get_secret_value(SecretId=name)["SecretString"])["api_keys"]:
        assert clients(endpoint, key["key"]) in {400, 401}


def _tenant(endpoint: str) -> str:
    return str(urlsplit(endpoint).hostname).partition(".")[0]


def test_the_tokens_are_the_same_whenever_they_are_asked_for_and_are_stored_nowhere(
    stack: Stack, project_id: str, console: Console
) -> None:
    assert stack.run(payload_for(project_id, "auth"))["status"] == "SUCCEEDED"
    printed = tokens(project_id, console)
    assert printed == tokens(project_id, console)
    written = b"".join(path.read_bytes() for path in stack.state_directory.rglob("*") if path.is_file())
    assert [token for token in printed.values() if token.encode() in written] == []


def test_a_project_without_a_tenant_has_no_tokens(stack: Stack, project_id: str, console: Console) -> None:
    with pytest.raises(HumanError, match="has no tenant, whose secret would sign them"):
        tenant_tokens.print_tokens(project_id, console)
