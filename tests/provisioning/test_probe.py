"""A probe: it names whatever is broken, and changes nothing."""

import hashlib
import importlib
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any
from unittest.mock import patch

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from local.lambda_environment import load_handler
from local.stack import Stack
from provisioning.aws import event_bus
from provisioning.jobs import executions
from provisioning.jobs.declaration import JobType
from provisioning.jobs.registry import DECLARATIONS, state_machine_of
from provisioning.needs import PROBE
from provisioning.stage import Service
from tests.executions.running import HANDLERS
from tests.provisioning.failing_secrets_manager import answering, refusing

STAGES = {name: path for name, path in HANDLERS.items() if path.startswith("stages.")}
API, DELIVERY = "AnswerRequestFunction", "DeliverEventsFunction"
DATABASES = ("control_plane", "provisioner_register")
TABLES = """
    SELECT format('SELECT %L, t::text FROM %s AS t ORDER BY 2', oid::regclass, oid::regclass) FROM pg_class
    WHERE relkind = 'r' AND relnamespace::regnamespace::text IN ('control_plane', 'register', 'public')
    UNION ALL SELECT 'SELECT rolname, oid::text FROM pg_roles ORDER BY 1'
    UNION ALL SELECT 'SELECT datname, datacl::text FROM pg_database ORDER BY 1'
    UNION ALL SELECT 'SELECT ''memberships'', m::text FROM pg_auth_members AS m ORDER BY 2'
"""


def digest(stack: Stack) -> str:
    """A hash of every row of the control plane and the register, of roles, databases, secrets and registrations."""
    content: list[Any] = []
    for database in DATABASES:
        with closing(stack.postgres.connect(database)) as superuser, superuser.cursor() as cursor:
            cursor.execute(TABLES)
            for (query,) in cursor.fetchall():
                cursor.execute(query)
                content += cursor.fetchall()
    pages = stack.client("secretsmanager").get_paginator("list_secrets").paginate()
    content += [(one["Name"], sorted(one["SecretVersionsToStages"])) for page in pages for one in page["SecretList"]]
    content.append((stack.state_directory / "registrations.sqlite3").read_bytes().hex())
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def probed(stack: Stack, function: str = "FinalizeFunction") -> dict[str, str]:
    """What a probe of a function finds, which is invoked as Lambda does it."""
    answer = stack.runtime.invoke(function, json.dumps(PROBE))
    assert not answer.failed, answer.payload
    failed: dict[str, str] = json.loads(answer.payload)["failed"]
    return failed


@pytest.mark.parametrize("function", [*STAGES, DELIVERY, API])
def test_every_probed_function_recognises_a_probe_and_finds_nothing_wrong(stack: Stack, function: str) -> None:
    assert probed(stack, function) == {}


def test_a_probe_changes_nothing(stack: Stack) -> None:
    before = digest(stack)
    for function in (*STAGES, DELIVERY, API):
        probed(stack, function)
    assert digest(stack) == before


def test_the_digest_sees_a_changed_row(stack: Stack) -> None:
    before = digest(stack)
    with closing(stack.postgres.connect("control_plane")) as superuser, superuser.cursor() as cursor:
        cursor.execute("UPDATE control_plane.clusters SET capacity = capacity + 1")
        changed = digest(stack)
        cursor.execute("UPDATE control_plane.clusters SET capacity = capacity - 1")
    assert changed != before == digest(stack)


def without_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TENANT_SECRET_PREFIX")


def without_control_plane(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONTROL_PLANE_SECRET_ID", "provisioner/nothing")


def without_service(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STORAGE_SERVICE_URL", "http://127.0.0.1:1/storage")


def without_module(monkeypatch: pytest.MonkeyPatch) -> None:
    real = importlib.import_module

    def fail(name: str, package: str | None = None) -> Any:
        if name == "provisioning.services.supavisor":
            raise ModuleNotFoundError(name)
        return real(name, package)

    monkeypatch.setattr(importlib, "import_module", fail)


BROKEN: list[tuple[Callable[[pytest.MonkeyPatch], None], str, str]] = [
    (without_setting, "settings", "TENANT_SECRET_PREFIX"),
    (without_control_plane, "control plane", "the secret provisioner/nothing does not exist"),
    (without_service, "service storage", "storage"),
    (without_module, "imports", "ModuleNotFoundError"),
]


@pytest.mark.parametrize(("break_it", "name", "why"), BROKEN, ids=[name for _, name, _ in BROKEN])
def test_what_is_broken_is_named(
    stack: Stack,
    monkeypatch: pytest.MonkeyPatch,
    break_it: Callable[[pytest.MonkeyPatch], None],
    name: str,
    why: str,
) -> None:
    break_it(monkeypatch)
    assert why in probed(stack)[name]


def test_an_event_bus_that_does_not_exist_is_named(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVENT_BUS_NAME", "nowhere")
    assert probed(stack, DELIVERY) == {"event bus": "there is no event bus nowhere"}


def test_a_way_to_eventbridge_that_is_missing_is_named(stack: Stack) -> None:
    unreachable = EndpointConnectionError(endpoint_url="https://events.us-east-1.amazonaws.com")
    with patch.object(event_bus, "_client", side_effect=unreachable):
        assert probed(stack, DELIVERY) == {"event bus": "EventBridge could not be reached (EndpointConnectionError)"}


def test_a_way_to_step_functions_that_is_missing_is_named(stack: Stack) -> None:
    unreachable = EndpointConnectionError(endpoint_url="https://states.us-east-1.amazonaws.com")
    with patch.object(executions, "_client", side_effect=unreachable):
        assert probed(stack, API)["step functions"].startswith("EndpointConnectionError at ")


@pytest.mark.parametrize("job_type", DECLARATIONS)
def test_a_denied_execution_of_any_job_type_is_named(
    stack: Stack, job_type: JobType, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = executions.describe

    def deny(arn: str) -> object:
        if arn.split(":")[6] == state_machine_of(stack.state_machine_arn, job_type).split(":")[6]:
            raise ClientError({"Error": {"Code": "AccessDeniedException", "Message": arn}}, "DescribeExecution")
        return real(arn)

    monkeypatch.setattr(executions, "describe", deny)
    assert probed(stack, API) == {"step functions": f"Step Functions denied access to executions of {job_type}"}


def test_a_cluster_that_does_not_answer_is_named(stack: Stack) -> None:
    with closing(stack.postgres.connect("control_plane")) as superuser, superuser.cursor() as cursor:
        cursor.execute("UPDATE control_plane.clusters SET port = 1")
        try:
            found = probed(stack)
        finally:
            cursor.execute("UPDATE control_plane.clusters SET port = %s", [stack.postgres.port])
    assert set(found) == {"cluster local"}


@pytest.mark.parametrize(
    ("operation", "names"),
    [
        ("GetSecretValue", {"control plane", "tenants' secrets", *(f"service {one}" for one in Service)}),
        ("BatchGetSecretValue", {"several secrets at once"}),
    ],
)
def test_a_secret_that_may_not_be_read_is_named(stack: Stack, operation: str, names: set[str]) -> None:
    def probe() -> set[str]:
        with refusing(operation, answering("AccessDeniedException")):
            return set(load_handler(STAGES["FinalizeFunction"])(PROBE, _Context())["failed"])

    # A thread is an environment: in a new one nothing has read the services' tokens yet.
    with ThreadPoolExecutor(1) as environment:
        assert environment.submit(probe).result() == names


class _Context:
    def __init__(self, left: int = 50_000) -> None:
        self.left = left

    def get_remaining_time_in_millis(self) -> int:
        return self.left


def test_what_no_time_is_left_for_is_named(stack: Stack) -> None:
    found = load_handler(STAGES["VerifyProjectFunction"])(PROBE, _Context(-1))["failed"]
    assert set(found) == {"imports", "settings", "control plane"}


@pytest.mark.parametrize(("adapter", "looks"), [("generic", False), ("supabase-storage", True)])
def test_a_registration_looks_for_secrets_only_if_its_adapter_does(
    stack: Stack, monkeypatch: pytest.MonkeyPatch, adapter: str, looks: bool
) -> None:
    monkeypatch.setenv("STORAGE_SERVICE_ADAPTER", adapter)
    with refusing("GetSecretValue", answering("AccessDeniedException")):
        found = load_handler(STAGES["RegisterStorageFunction"])(PROBE, _Context())["failed"]
    assert ("tenants' secrets for a service" in found) == looks
