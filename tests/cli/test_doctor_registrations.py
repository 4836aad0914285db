"""provision doctor finds registrations that only a service has, and prints the command that removes them."""

import re
import shlex
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from psycopg2 import sql

from cli import doctor, doctor_registrations
from cli.app import app
from cli.findings import Finding
from local.stack import Stack
from provisioning.cluster.session import REGISTER
from provisioning.errors import ServiceRegistrationFailed
from provisioning.identity import new_tenant_id
from provisioning.services import adapter_for
from provisioning.services.generic import Generic
from provisioning.stage import Service
from tests.cli.examining import changed_cluster, changed_registered, changed_tenant, examined, pooled
from tests.conftest import NewProject
from tests.executions.running import execute, payload_for, run
from tests.stages.native_apis import APIS, SERVES
from tests.stages.supavisor_api import SupavisorApi
from tests.stages.tenant_apis import native_service

pytestmark = pytest.mark.slow
DESCRIBED = {
    "project_id": "p-1",
    "region": "us-east-1",
    "organization_id": "o-1",
    "secret_arn": "arn:aws:secretsmanager:us-east-1:123456789012:secret:s",
    "database": {"host": "127.0.0.1", "port": 5432, "name": "d", "schema": "tenant"},
}
ANOTHER_CONTROL_PLANE = "6f9619ff-8b86-4d01-b42d-00cf4fc964ff"
PRINTED = re.compile(r"provision (deregister \w+ [a-z]{20})$")


def register(tenant_id: str, service: Service = Service.AUTH) -> None:
    adapter = adapter_for(service)
    assert isinstance(adapter, Generic)
    adapter.put(tenant_id, DESCRIBED | {"tenant_id": tenant_id})


def about(subject: str, *texts: str) -> list[Finding]:
    """What is said about a service that names one of these, once it was examined to the end."""
    told = [one for one in doctor.examine() if one.subject == subject]
    assert told[-1].fact == "answers, and accepts its token"
    return [one for one in told if any(text in one.fact for text in texts)]


@pytest.fixture
def orphan(stack: Stack) -> Iterator[str]:
    """The id of a tenant that only the auth service knows."""
    tenant_id = new_tenant_id()
    register(tenant_id)
    yield tenant_id
    adapter_for(Service.AUTH).deregister(tenant_id)


@pytest.fixture
def printed(request: pytest.FixtureRequest) -> Callable[[Finding], None]:
    """Run the command at the end of a finding's remedy, as an operator of a deployment does."""

    def send(told: Finding) -> None:
        (command,) = PRINTED.findall(told.remedy)
        with pytest.raises(SystemExit) as ended:
            app([*shlex.split(command), "--state-machine-arn", request.getfixturevalue("deployed")])
        assert ended.value.code == 0

    return send


@pytest.fixture
def after_the_list(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Let something happen right before or after the services have listed their tenants."""
    listed = Generic.tenant_ids

    def happen(*, before: Callable[[], object] = bool, after: Callable[[], object] = bool) -> None:
        def tenant_ids(self: Generic) -> set[str] | None:
            if self.service != Service.AUTH:
                return listed(self)
            before()
            found = listed(self)
            after()
            return found

        monkeypatch.setattr(Generic, "tenant_ids", tenant_ids)

    return happen


def insert_registered(stack: Stack, tenant_id: str, control_plane_id: str) -> None:
    added = sql.SQL("INSERT INTO register.tenants (tenant_id, control_plane_id) VALUES ({}, {})")
    execute(stack, added.format(sql.Literal(tenant_id), sql.Literal(control_plane_id)), REGISTER)


def forget_registered(stack: Stack, tenant_id: str) -> None:
    execute(
        stack, sql.SQL("DELETE FROM register.tenants WHERE tenant_id = {}").format(sql.Literal(tenant_id)), REGISTER
    )


def test_a_registration_without_a_tenant_is_removed_by_the_printed_command(
    orphan: str, printed: Callable[[Finding], None]
) -> None:
    (told,) = about("service auth", orphan)
    assert told.fact == f"tenant {orphan} is registered there, but neither the control plane nor a cluster knows it"
    assert told.remedy.startswith("unless a control plane with other clusters has it: ")
    printed(told)
    assert about("service auth", orphan) == []


@pytest.mark.parametrize("service", ["realtime", "storage"])
def test_a_native_service_is_compared_and_mended_too(
    stack: Stack, monkeypatch: pytest.MonkeyPatch, printed: Callable[[Finding], None], service: str
) -> None:
    orphan = new_tenant_id()
    with native_service(stack, monkeypatch, service, SERVES[service], APIS[SERVES[service]]) as api:
        api.tenants = {one: {"jwtSecret": "hunter22", "version": "all-of-it"} for one in (orphan, "somebody-else")}
        (told,) = about(f"service {service}", "is registered there")
        assert orphan in told.fact
        assert "hunter22" not in str(told)
        printed(told)
        assert list(api.tenants) == ["somebody-else"]


def test_a_tenant_that_is_gone_is_none_that_the_control_plane_has(
    stack: Stack, orphan: str, printed: Callable[[Finding], None]
) -> None:
    gone = "INSERT INTO control_plane.tenants (tenant_id, cluster_id, state) VALUES ({}, 'local', 'gone')"
    execute(stack, sql.SQL(gone).format(sql.Literal(orphan)), "control_plane")
    (told,) = about("service auth", orphan)
    printed(told)
    assert about("service auth", orphan) == []


def test_a_project_that_is_provisioned_while_a_service_lists_is_no_finding(
    stack: Stack, new_project: NewProject, after_the_list: Callable[..., None]
) -> None:
    made: list[str] = []

    def provision() -> None:
        made.append(run(stack, payload_for(new_project(), "auth")).output["tenant_id"])

    after_the_list(before=provision, after=provision)
    told = about("service auth", "is registered there")
    assert len(made) == 2
    assert [one for one in told if any(tenant_id in one.fact for tenant_id in made)] == []


def test_a_registration_that_ends_after_the_list_is_no_finding(
    orphan: str, after_the_list: Callable[..., None]
) -> None:
    after_the_list(after=lambda: adapter_for(Service.AUTH).deregister(orphan))
    assert about("service auth", orphan) == []


def test_a_tenant_in_the_pool_and_one_that_is_being_removed_are_no_finding(stack: Stack) -> None:
    with pooled(stack) as tenant_id:
        register(tenant_id)
        assert about("service auth", tenant_id) == []
        with changed_tenant(stack, tenant_id, state="removing"):
            assert about("service auth", tenant_id) == []
        adapter_for(Service.AUTH).deregister(tenant_id)


def test_what_a_register_gives_to_another_control_plane_is_left_to_that_one(stack: Stack, orphan: str) -> None:
    insert_registered(stack, orphan, ANOTHER_CONTROL_PLANE)
    assert about("service auth", orphan) == []
    forget_registered(stack, orphan)
    assert len(about("service auth", orphan)) == 1


def test_a_tenant_that_another_control_plane_makes_while_doctor_looks_is_no_finding(
    stack: Stack, orphan: str, after_the_list: Callable[..., None]
) -> None:
    after_the_list(before=lambda: insert_registered(stack, orphan, ANOTHER_CONTROL_PLANE))
    assert about("service auth", orphan) == []
    forget_registered(stack, orphan)


@pytest.mark.parametrize("registered", [{}, {"job_id": "job-lost", "project_id": "p-1", "state": "active"}])
def test_a_tenant_that_only_its_cluster_knows_is_judged_there_first(stack: Stack, registered: dict[str, str]) -> None:
    """A restored control plane has lost it, and it may be a customer's."""
    with (
        pooled(stack) as tenant_id,
        changed_tenant(stack, tenant_id, tenant_id=new_tenant_id()),
        changed_registered(stack, tenant_id, **({"job_id": None} | registered)),
    ):
        register(tenant_id)
        (told,) = about("service auth", tenant_id)
        adapter_for(Service.AUTH).deregister(tenant_id)
    assert told.remedy == "first correct what is said about the tenant on cluster local"


def test_a_cluster_that_cannot_be_read_leaves_an_unknown_registration_unjudged(stack: Stack, orphan: str) -> None:
    with changed_cluster(stack, port=1):
        (told,) = about("service auth", "unknown", orphan)
    assert (told.checked, told.remedy) == (False, "")
    assert told.fact.endswith("unknown tenants are not judged: cluster local cannot be read")


def test_a_live_tenant_with_a_registration_that_no_job_made(stack: Stack, new_project: NewProject) -> None:
    tenant_id = run(stack, payload_for(new_project(), "auth")).output["tenant_id"]
    assert about("service storage", tenant_id) == []
    register(tenant_id, Service.STORAGE)
    (told,) = about("service storage", tenant_id)
    assert told.fact == f"tenant {tenant_id} is registered there, but the control plane does not know of it"
    assert told.remedy == "see A registration that nobody knows in docs/operations.md"
    assert about("service auth", tenant_id) == []
    adapter_for(Service.STORAGE).deregister(tenant_id)


def test_a_service_whose_contract_has_no_list_says_so_once(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    with native_service(stack, monkeypatch, "pooler", "supavisor", SupavisorApi):
        told = [one for one in examined() if one.subject == "service pooler"]
    assert [(one.checked, one.remedy) for one in told] == [(False, ""), (True, "")]
    assert told[0].fact == "cannot list its tenants, so a registration of an unknown tenant is not found"


def test_a_service_that_fails_to_list_is_otherwise_examined(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: Generic) -> Any:
        raise ServiceRegistrationFailed(f"{self.service} answered 500")

    monkeypatch.setattr(Generic, "tenant_ids", fail)
    told = [one for one in examined() if one.subject == "service auth"]
    assert [one.fact for one in told] == [
        "registrations of unknown tenants are not looked for: auth answered 500",
        "answers, and accepts its token",
    ]
    assert not told[0].checked


def test_a_service_that_lists_and_then_hangs_leaves_the_unknown_unchecked(
    orphan: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor_registrations, "SECONDS", 0.0)
    (told,) = about("service auth", "unknown tenants")
    assert not told.checked
    assert re.fullmatch(r"did not answer about \d+ of \d+ unknown tenants", told.fact)
