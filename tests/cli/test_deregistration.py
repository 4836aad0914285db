"""provision deregister removes only a registration of a tenant that nobody has, and says in one line what it did."""

import threading
from collections.abc import Callable, Iterator

import pytest
from psycopg2 import sql

from cli.app import app
from cli.terminal import typed
from local.stack import Stack
from provisioning.identity import TenantNames, new_tenant_id
from provisioning.services import adapter_for
from provisioning.services import client as service_client
from provisioning.stage import Service
from tests.cli.examining import changed_cluster, changed_registered, changed_secret, changed_tenant, pooled
from tests.cli.test_doctor_registrations import ANOTHER_CONTROL_PLANE, forget_registered, insert_registered, register
from tests.conftest import NewProject
from tests.executions.running import execute, payload_for, run

pytestmark = pytest.mark.slow

Deregister = Callable[..., str]


@pytest.fixture
def deregister(request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]) -> Deregister:
    """Run the command, and return its only line, of an error without its beginning."""

    def send(tenant_id: str, service: str = "auth", *, expect: int = 0) -> str:
        arn = request.getfixturevalue("deployed")
        # The jobs before have logged.
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            app(["deregister", service, tenant_id, "--state-machine-arn", arn])
        said = capsys.readouterr()
        assert ended.value.code == expect, said
        (line,) = (said.err if expect else said.out).splitlines()
        return line.removeprefix("provision: ") if expect else line

    return send


@pytest.fixture
def orphan(stack: Stack) -> Iterator[str]:
    tenant_id = new_tenant_id()
    register(tenant_id)
    yield tenant_id
    stack.services.store.deregister("auth", tenant_id, "another-key")


def test_a_removal_says_what_was_there_and_can_be_repeated(orphan: str, deregister: Deregister) -> None:
    assert deregister(orphan) == f"auth had a registration of {orphan} and has removed it."
    assert not adapter_for(Service.AUTH).exists(orphan)
    assert deregister(orphan) == f"auth has no registration of {orphan}."


def test_only_the_named_service_is_asked(orphan: str, deregister: Deregister) -> None:
    register(orphan, Service.STORAGE)
    deregister(orphan, "storage")
    assert adapter_for(Service.AUTH).exists(orphan)


def test_a_live_tenant_keeps_its_registration(stack: Stack, new_project: NewProject, deregister: Deregister) -> None:
    tenant_id = run(stack, payload_for(new_project(), "auth")).output["tenant_id"]
    said = deregister(tenant_id, expect=5)
    assert said == typed(f"{tenant_id} is active, its registrations stay: see provision whose {tenant_id}")
    assert adapter_for(Service.AUTH).exists(tenant_id)


@pytest.mark.parametrize("state", ["ready", "making", "removing", "disputed"])
def test_a_tenant_that_the_control_plane_has_in_any_state_is_left_alone(
    stack: Stack, deregister: Deregister, state: str
) -> None:
    with pooled(stack) as tenant_id, changed_tenant(stack, tenant_id, state=state):
        register(tenant_id)
        assert f"{tenant_id} is {state}" in deregister(tenant_id, expect=5)
        assert adapter_for(Service.AUTH).deregister(tenant_id)


def test_a_tenant_that_is_gone_is_not_protected(stack: Stack, orphan: str, deregister: Deregister) -> None:
    gone = "INSERT INTO control_plane.tenants (tenant_id, cluster_id, state) VALUES ({}, 'local', 'gone')"
    execute(stack, sql.SQL(gone).format(sql.Literal(orphan)), "control_plane")
    deregister(orphan)
    assert not adapter_for(Service.AUTH).exists(orphan)


def test_a_tenant_of_another_control_plane_on_the_cluster_is_left_alone(
    stack: Stack, orphan: str, deregister: Deregister
) -> None:
    insert_registered(stack, orphan, ANOTHER_CONTROL_PLANE)
    said = deregister(orphan, expect=5)
    forget_registered(stack, orphan)
    holder = f"no job of control plane {ANOTHER_CONTROL_PLANE}"
    assert said == typed(
        f"cluster local has the tenant {orphan}, which its register gives to {holder}: run provision doctor"
    )
    assert adapter_for(Service.AUTH).exists(orphan)


@pytest.mark.parametrize("is_registered", [True, False])
def test_a_tenant_that_a_restored_control_plane_has_lost_is_left_alone(
    stack: Stack, deregister: Deregister, is_registered: bool
) -> None:
    with (
        pooled(stack) as tenant_id,
        changed_tenant(stack, tenant_id, tenant_id=new_tenant_id()),
        changed_registered(stack, tenant_id, tenant_id=tenant_id if is_registered else new_tenant_id()),
    ):
        register(tenant_id)
        assert f"cluster local has the tenant {tenant_id}" in deregister(tenant_id, expect=5)
        assert adapter_for(Service.AUTH).deregister(tenant_id)


def test_a_role_that_is_left_on_the_cluster_is_reason_enough(stack: Stack, orphan: str, deregister: Deregister) -> None:
    role = sql.Identifier(TenantNames(orphan).owner_role)
    execute(stack, sql.SQL("CREATE ROLE {}").format(role))
    assert f"cluster local has the tenant {orphan}" in deregister(orphan, expect=5)
    execute(stack, sql.SQL("DROP ROLE {}").format(role))
    assert adapter_for(Service.AUTH).exists(orphan)


def test_a_cluster_that_cannot_be_asked_is_no_absence(stack: Stack, orphan: str, deregister: Deregister) -> None:
    with changed_cluster(stack, port=1):
        assert deregister(orphan, expect=7).startswith(f"cluster local cannot be asked about {orphan}: ")
    assert adapter_for(Service.AUTH).exists(orphan)


def test_what_somebody_else_has_registered_is_not_removed_and_not_called_absent(
    stack: Stack, deregister: Deregister
) -> None:
    tenant_id = new_tenant_id()
    stack.services.store.register("auth", tenant_id, "p-1", "somebody's", "https://auth")
    said = deregister(tenant_id, expect=5)
    assert said == f"auth keeps its registration of {tenant_id}: whoever made it must remove it there"
    assert stack.services.store.deregister("auth", tenant_id, "somebody's") == 204


@pytest.mark.parametrize("odd", ["demo", "A" * 20, "a" * 21, f"tenant_{'a' * 20}"])
def test_what_is_no_tenant_id_is_said_before_anybody_is_asked(deregister: Deregister, odd: str) -> None:
    assert deregister(odd, expect=2) == f"{odd} is no tenant id: a tenant id is 20 letters a-z"


def test_a_service_that_refuses_is_said_in_one_line(
    stack: Stack, orphan: str, deregister: Deregister, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service_client, "_environment", threading.local())
    with changed_secret(stack, "provisioner/service-tokens", auth="wrong"):
        assert deregister(orphan, expect=8) == "auth answered 401"
