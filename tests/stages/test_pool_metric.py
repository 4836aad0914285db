"""The metric PoolEntries, from which an alarm learns that jobs find no ready database."""

import io
import json
from contextlib import ExitStack, redirect_stdout
from unittest.mock import patch

import psycopg2
import pytest

from local.stack import Stack
from provisioning.errors import DatabaseCreationFailed
from provisioning.tenant.pool import Pool
from tests.stages.jobs import refill, refilled


def test_each_refill_says_what_the_emptiest_pool_still_had(stack: Stack) -> None:
    with ExitStack() as pool:
        with redirect_stdout(io.StringIO()) as output:
            pool.enter_context(refilled(stack, 2))
            refill(2)
        assert pool_entries(output) == [[0], [2]]


def test_a_cluster_that_cannot_be_refilled_counts_as_an_empty_pool(stack: Stack) -> None:
    lost = patch.object(Pool, "refill", side_effect=psycopg2.OperationalError)
    with refilled(stack, 2):
        with redirect_stdout(io.StringIO()) as output, lost, pytest.raises(DatabaseCreationFailed):
            refill(2)
        assert pool_entries(output) == [[0]]


def pool_entries(output: io.StringIO) -> list[list[int]]:
    """The values of the metric in what was written."""
    records = [json.loads(line) for line in output.getvalue().splitlines()]
    return [record["PoolEntries"] for record in records if "PoolEntries" in record]
