"""A refill of the pool with a fault at each of its I/O points: the next one leaves what there ought to be."""

import os
import random
from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch

import pytest

from local.stack import Stack
from local.template import read_template
from tests.executions.running import execute
from tests.faults.boundary import Boundary, Point
from tests.faults.faults import Fault, Injection

FUNCTION = "RefillPoolsFunction"
FAULTS = (Fault.CRASH_BEFORE, Fault.CRASH_AFTER, Fault.LOST_BEFORE, Fault.LOST_AFTER)
POOL = "SELECT kind, status, database_name FROM control_plane.pool_databases ORDER BY kind"
SERVER = "SELECT datname, datallowconn FROM pg_database WHERE starts_with(datname::text, 'provisioner_') ORDER BY 1"


@contextmanager
def empty_pool(stack: Stack) -> Iterator[None]:
    """One entry is wanted, none is there, and none is there afterwards."""

    def empty() -> None:
        execute(stack, "UPDATE control_plane.pool_databases SET schema_version = 'old'", "control_plane")
        with patch.dict(os.environ, {"POOL_SIZE": "0"}):
            stack.runtime.invoke(FUNCTION, '{"job_id": "empties"}')

    empty()
    with patch.dict(os.environ, {"POOL_SIZE": "1"}):
        yield
    empty()


def refill(stack: Stack, boundary: Boundary, name: str, faults: dict[tuple[str, int], Fault]) -> list[Point]:
    """Runs one refill, of a cold environment, and returns the points that it met."""

    def deliver(function: str, event: str) -> None:
        stack.runtime.invoke(function, event)

    injection = Injection(faults, deliver)
    with boundary.watching(name, injection.intercept):
        deliver(FUNCTION, f'{{"job_id": "{name}"}}')
    return list(dict.fromkeys(injection.seen))


@pytest.mark.slow
def test_a_refill_that_dies_at_any_point_leaves_nothing_that_the_next_one_does_not_put_right(stack: Stack) -> None:
    boundary = Boundary()
    problems = []
    with boundary.installed(stack.runtime, read_template().functions):
        with empty_pool(stack):
            points = refill(stack, boundary, "clean", {})
        assert len(points) > 15
        chance = random.Random(20261125)  # noqa: S311 a repeatable choice of faults
        for number, point in enumerate(points):
            fault = chance.choice(FAULTS)
            with empty_pool(stack):
                refill(stack, boundary, f"faulty-{number}", {(FUNCTION, point.number): fault})
                refill(stack, boundary, f"next-{number}", {})
                kept = execute(stack, POOL, "control_plane")
                if [row[:2] for row in kept] != [("entry", "ready"), ("template", "ready")]:
                    problems.append(f"{fault} at {point}: {kept}")
                if execute(stack, SERVER) != sorted((row[2], False) for row in kept):
                    problems.append(f"{fault} at {point}: databases {execute(stack, SERVER)}")
    assert problems == []
