"""A tenant that reads PostgreSQL's catalogs while another is made, claimed and removed finds no customer there."""

import os
import uuid
from contextlib import closing
from unittest.mock import patch

import pytest
from psycopg2 import sql

from local.stack import Stack
from tests.executions.running import SERVICES, Ran, execute, invoke, payload_for, run
from tests.isolation.catalogs import NAMED, Samples
from tests.isolation.conftest import Tenant
from tests.isolation.secret_search import found_in

FEWEST_SAMPLES = 50


@pytest.fixture(scope="module")
def neighbour(stack: Stack) -> dict[str, str]:
    """A project that no tenant may find: its ids, each unique on the server."""
    ids = {kind: f"{kind}-{uuid.uuid4().hex}" for kind in ("project_id", "organization_id", "owner_id")}
    insert = (
        "INSERT INTO control_plane.projects (project_id, organization_id, owner_id, region) VALUES ({}, 'us-east-1')"
    )
    values = sql.SQL(", ").join(map(sql.Literal, ids.values()))
    execute(stack, sql.SQL(insert).format(values), "control_plane")
    return ids


@pytest.fixture(scope="module")
def seen(stack: Stack, attacker: Tenant, neighbour: dict[str, str]) -> tuple[Samples, list[Ran]]:
    """What the attacker reads while its neighbour fails and is removed, is made, and is claimed from the pool."""
    samples = Samples(attacker)
    payload = payload_for(neighbour["project_id"], *SERVICES) | neighbour
    rows = "UPDATE control_plane.tenants SET look_again_at = now() WHERE state = 'removing'"
    with samples.continuously(), patch.dict(os.environ, {"POOL_SIZE": "1"}):
        refused = patch.object(stack.services.store, "register", lambda *_: (403, "no"))
        with refused:
            made = run(stack, payload)
        execute(stack, rows, "control_plane")
        assert invoke(stack, "ReconcileFunction", {})[1] is False
        samples.read_everything()
        assert invoke(stack, "RefillPoolsFunction", {})[1] is False
        with refused:
            claimed = run(stack, payload)
        kept = run(stack, payload)
        samples.read_everything()
    return samples, [made, claimed, kept]


def test_no_catalog_names_a_customer_while_tenants_come_and_go(
    seen: tuple[Samples, list[Ran]], neighbour: dict[str, str]
) -> None:
    samples, executions = seen
    names = neighbour | {f"job {number}": ran.job_id for number, ran in enumerate(executions)}
    shown = {row for row in samples.rows if found_in(row.encode(), names)}
    assert shown == set()


def test_the_samples_hold_every_catalog_and_saw_the_neighbour_come_and_go(
    stack: Stack, seen: tuple[Samples, list[Ran]]
) -> None:
    samples, executions = seen
    assert [ran.status for ran in executions] == ["FAILED", "FAILED", "SUCCEEDED"]
    assert set(NAMED) <= samples.relations
    assert samples.count > FEWEST_SAMPLES
    jobs = sql.SQL(", ").join(sql.Literal(ran.job_id) for ran in executions)
    tenants = execute(
        stack,
        sql.SQL("SELECT tenant_id, state FROM control_plane.tenants WHERE job_id IN ({})").format(jobs),
        "control_plane",
    )
    assert sorted(state for _, state in tenants) == ["active", "gone", "removing"]
    everything = "\n".join(samples.rows)
    for tenant_id, _ in tenants:
        assert f"tenant_{tenant_id}" in everything
        assert f"tenant_{tenant_id}_login" in everything
    assert "provisioner until" in everything, "the name of the platform's sessions"


def test_an_application_name_that_named_a_customer_would_be_found(
    stack: Stack, attacker: Tenant, neighbour: dict[str, str]
) -> None:
    samples = Samples(attacker)
    with samples.continuously(), closing(stack.postgres.connect()) as session, session.cursor() as cursor:
        cursor.execute("SELECT set_config('application_name', %s, false)", (f"provisioner {neighbour['owner_id']}",))
        before = samples.count
        while samples.count < before + 2:
            cursor.execute("SELECT 1")
    assert any(found_in(row.encode(), neighbour) == ["owner_id"] for row in samples.rows)
