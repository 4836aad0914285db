"""The metrics of the pools, from which the dashboard and an alarm learn that jobs find no ready database."""

import io
import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stdout
from unittest.mock import patch

import psycopg2
import pytest

from local.stack import Stack
from provisioning.control_plane import ControlPlane
from provisioning.errors import DatabaseCreationFailed
from provisioning.tenant.pool import Pool
from tests.executions.running import execute
from tests.stages.jobs import refill, refilled


def test_each_refill_says_what_the_emptiest_pool_still_had(stack: Stack) -> None:
    with ExitStack() as pool:
        with redirect_stdout(io.StringIO()) as output:
            pool.enter_context(refilled(stack, 2))
            refill(2)
        assert written(output, "PoolEntries") == [[0], [2]]
        assert written(output, "EmptyPools") == [[1], [0]]


def test_a_cluster_that_cannot_be_refilled_counts_as_an_empty_pool(stack: Stack) -> None:
    lost = patch.object(Pool, "refill", side_effect=psycopg2.OperationalError)
    with refilled(stack, 2):
        with redirect_stdout(io.StringIO()) as output, lost, pytest.raises(DatabaseCreationFailed):
            refill(2)
        assert written(output, "PoolEntries") == [[0]]
        assert written(output, "EmptyPools") == [[1]]


def test_a_pool_that_should_have_nothing_is_not_empty(stack: Stack) -> None:
    with refilled(stack, 0), redirect_stdout(io.StringIO()) as output:
        refill(0)
    assert written(output, "EmptyPools") == [[0]]


def test_the_pool_of_a_full_cluster_is_not_empty(stack: Stack) -> None:
    with refilled(stack, 0), full(stack), redirect_stdout(io.StringIO()) as output:
        refill(2)
    assert (written(output, "PoolEntries"), written(output, "EmptyPools")) == ([[0]], [[0]])


def test_without_a_cluster_no_pool_is_empty(stack: Stack) -> None:
    with patch.object(ControlPlane, "clusters", return_value=[]), redirect_stdout(io.StringIO()) as output:
        refill(2)
    assert (written(output, "PoolEntries"), written(output, "EmptyPools")) == ([], [[0]])


@contextmanager
def full(stack: Stack) -> Iterator[None]:
    """Leave no room on the stack's cluster."""
    change = "UPDATE control_plane.clusters SET capacity = capacity {} 100000"
    execute(stack, change.format("-"), "control_plane")
    try:
        yield
    finally:
        execute(stack, change.format("+"), "control_plane")


def written(output: io.StringIO, metric: str) -> list[list[int]]:
    """The values of a metric in what was written."""
    records = [json.loads(line) for line in output.getvalue().splitlines()]
    return [record[metric] for record in records if metric in record]
