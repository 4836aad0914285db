"""provision cluster add prepares and records a server, and reports what its register holds."""

import re
import uuid
from collections.abc import Iterator

import pytest

from cli.administration import add_cluster
from local.errors import HumanError
from local.stack import Stack
from provisioning.errors import Misconfigured
from provisioning.identity import new_tenant_id
from tests.cli.examining import ADMIN, changed_registered, changed_secret, changed_tenant, pooled
from tests.executions.running import execute


@pytest.fixture(autouse=True)
def capacity(stack: Stack) -> Iterator[None]:
    """The cluster's own capacity afterwards."""
    query = "SELECT capacity FROM control_plane.clusters"
    ((before,),) = execute(stack, query, "control_plane")
    yield
    assert add_cluster("local", ADMIN, before, size="db.t3.micro", region="us-east-1")
    assert execute(stack, query, "control_plane") == [(before,)]


def added() -> str:
    return add_cluster("local", ADMIN, 7, size="db.t3.micro", region="us-east-1")


def others(said: str) -> int:
    """Return how many tenants of other control planes the message counts in the register."""
    found = re.search(r"holds (\d+) tenants of other control planes", said)
    return int(found[1]) if found else 0


def test_a_port_may_be_its_digits(stack: Stack) -> None:
    with changed_secret(stack, ADMIN, port=str(stack.postgres.port)):
        assert added().startswith("Cluster local takes 7 databases")


def test_a_secret_that_rds_manages_names_no_server(stack: Stack) -> None:
    lacking = changed_secret(stack, ADMIN, host=None, port=None, dbname=None)
    with lacking, pytest.raises(Misconfigured, match=f"the secret {ADMIN} has no host, port, dbname$"):
        added()


def test_a_cluster_that_is_known_is_prepared_again_and_changed(stack: Stack) -> None:
    assert added().startswith(f"Cluster local takes 7 databases: PostgreSQL 18 on 127.0.0.1:{stack.postgres.port}.")
    query = "SELECT capacity, version, size FROM control_plane.clusters WHERE cluster_id = 'local'"
    assert execute(stack, query, "control_plane") == [(7, "18", "db.t3.micro")]


def test_tenants_of_this_control_plane_that_it_does_not_know_are_counted(stack: Stack) -> None:
    with pooled(stack) as tenant_id:
        assert "does not know" not in added()
        with changed_tenant(stack, tenant_id, tenant_id=new_tenant_id()):
            said = added()
    assert "Its register holds 1 tenants of this control plane that it does not know: see Restore" in said


def test_tenants_of_other_control_planes_are_counted_and_refuse_nothing(stack: Stack) -> None:
    with pooled(stack) as tenant_id:
        before = others(added())
        with changed_registered(stack, tenant_id, control_plane_id=str(uuid.uuid4())):
            said = added()
    assert said.startswith("Cluster local takes 7 databases")
    assert others(said) == before + 1


def test_a_server_that_cannot_be_reached_is_said_in_one_line(stack: Stack) -> None:
    with changed_secret(stack, ADMIN, password="another"), pytest.raises(HumanError, match="cannot be prepared"):
        added()


def test_a_secret_that_lacks_a_member_is_said_in_one_line(stack: Stack) -> None:
    with changed_secret(stack, ADMIN, host=None), pytest.raises(Misconfigured, match="has no host"):
        added()
