"""A refill of the pool with a fault at each of its I/O points: afterwards ready tenants exist, and nothing else."""

import json
import os
import random
from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch

import pytest
from psycopg2 import sql

from local.stack import Stack
from local.template import read_template
from tests.executions.last_look import look_last
from tests.executions.looking import SECRETS, look
from tests.executions.running import execute
from tests.faults.boundary import Boundary, Point
from tests.faults.faults import Fault, Injection

FUNCTION = "RefillPoolsFunction"
FAULTS = (Fault.CRASH_BEFORE, Fault.CRASH_AFTER, Fault.LOST_BEFORE, Fault.LOST_AFTER)
OUTDATE = "UPDATE control_plane.tenants SET server_fingerprint = 'PostgreSQL 1' WHERE state = 'ready'"
POOL = "SELECT tenant_id, state FROM control_plane.tenants WHERE project_id IS NULL AND state <> 'gone'"
ON_CLUSTER = sql.SQL("""
    SELECT datname::text FROM pg_database WHERE datname = {name}
    UNION ALL SELECT rolname::text FROM pg_roles WHERE starts_with(rolname::text, {name})
    UNION ALL SELECT state FROM register.tenants WHERE tenant_id = {tenant} AND job_id IS NULL
    ORDER BY 1
""")


@contextmanager
def empty_pool(stack: Stack) -> Iterator[None]:
    """One tenant is wanted, and the pool is empty before and after."""

    def empty() -> None:
        execute(stack, "UPDATE control_plane.tenants SET fingerprint = 'old' WHERE state = 'ready'", "control_plane")
        with patch.dict(os.environ, {"POOL_SIZE": "0"}):
            stack.runtime.invoke(FUNCTION, '{"job_id": "empties"}')
        look_last(stack, None)

    empty()
    with patch.dict(os.environ, {"POOL_SIZE": "1"}):
        yield
    empty()


def strike(stack: Stack, boundary: Boundary, name: str, faults: dict[tuple[str, int], Fault]) -> Injection:
    """Run one refill in a cold environment with these faults."""
    injection = Injection(faults, lambda *_: None)
    with boundary.watching(name, injection.intercept):
        stack.runtime.invoke(FUNCTION, json.dumps({"job_id": name}))
    return injection


def refill(stack: Stack, boundary: Boundary, name: str, faults: dict[tuple[str, int], Fault]) -> list[Point]:
    """Run one refill in which each fault strikes, and return its points."""
    injection = strike(stack, boundary, name, faults)
    assert injection.struck == len(faults)
    return list(dict.fromkeys(injection.seen))


def problems_of_pool(stack: Stack) -> list[str]:
    """Return what exists besides one ready tenant, and what that tenant lacks."""
    found = [f"the last look found {one}" for one in look_last(stack, None)]
    kept = execute(stack, POOL, "control_plane")
    if [state for _, state in kept] != ["ready"]:
        return [*found, f"tenants: {kept}"]
    ((tenant_id, _),) = kept
    name = f"tenant_{tenant_id}"
    asked = ON_CLUSTER.format(name=sql.Literal(name), tenant=sql.Literal(tenant_id))
    there = [row[0] for row in execute(stack, asked, "provisioner_register")]
    if there != ["kept", name, f"{name}_login", f"{name}_owner"]:
        found.append(f"on the cluster: {there}")
    secrets = stack.client("secretsmanager").list_secrets(Filters=[{"Key": "name", "Values": [SECRETS + tenant_id]}])
    if [secret["Name"] for secret in secrets["SecretList"]] != [SECRETS + tenant_id]:
        found.append("the ready tenant has no secret")
    return [*found, *look(stack, "no-project").dangling]


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS)
def test_after_a_refill_that_failed_at_any_point_only_ready_tenants_are_left(stack: Stack, fault: Fault) -> None:
    boundary, problems = Boundary(), {}
    with boundary.installed(stack.runtime, read_template().functions):
        with empty_pool(stack):
            points = refill(stack, boundary, f"clean {fault}", {})
            assert problems_of_pool(stack) == []
        assert {"CreateSecret", "connect to provisioner_register", "connect to tenant"} <= {one.what for one in points}
        for point in points:
            with empty_pool(stack):
                refill(stack, boundary, f"faulty {fault} {point.number}", {point.place: fault})
                refill(stack, boundary, f"next {fault} {point.number}", {})
                problems[str(point)] = problems_of_pool(stack)
    assert {point: found for point, found in problems.items() if found} == {}


@pytest.mark.slow
def test_a_removal_by_a_refill_that_failed_at_any_point_is_finished(stack: Stack) -> None:
    boundary, problems, number, struck = Boundary(), {}, 0, 1
    chance = random.Random(20261125)  # noqa: S311 a repeatable choice of faults
    with boundary.installed(stack.runtime, read_template().functions):
        while struck:
            number += 1
            fault = chance.choice(FAULTS)
            with empty_pool(stack):
                refill(stack, boundary, f"makes {number}", {})
                execute(stack, OUTDATE, "control_plane")
                struck = strike(stack, boundary, f"removes {number}", {(FUNCTION, number): fault}).struck
                refill(stack, boundary, f"then {number}", {})
                problems[f"{fault} at {number}"] = problems_of_pool(stack)
    assert {point: found for point, found in problems.items() if found} == {}
    assert number > 25
