"""What each stage of a warm job asks of PostgreSQL, counted on the wire: more is decided, and not by accident."""

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch

import pytest
from botocore.client import BaseClient

from local.stack import Stack
from provisioning import cluster, control_plane, service_client
from stages.create_database import create_database
from stages.create_schema import create_schema
from stages.finalize import finalize
from stages.generate_api_keys import generate_api_keys
from stages.register_services import register_auth, register_pooler, register_realtime, register_storage
from stages.verify_project import verify_project
from tests.conftest import NewProject
from tests.stages.jobs import StagedJob, a_job, refill, refilled
from tests.stages.wire import counted_queries

ALL = ("auth", "realtime", "storage", "pooler")
STAGES = (
    create_database,
    create_schema,
    register_auth,
    register_realtime,
    register_storage,
    register_pooler,
    generate_api_keys,
    finalize,
)
LEDGER = {"control_plane": 2}
"""One round trip before what a stage does, and one after it."""

FENCE = {"control_plane": 1}
"""Once more where the lock on the cluster was taken after the stage's: whoever waited for it may have been given up."""

FROM_POOL = {
    "verify_project": LEDGER,
    # The lock with a look, the claim, and the lock's return.
    "create_database": {"control_plane": 3, "postgres": 3},
    "create_schema": LEDGER,
    "register_auth": LEDGER,
    "register_realtime": LEDGER,
    "register_storage": LEDGER,
    "register_pooler": LEDGER,
    "generate_api_keys": LEDGER,
    # The schema's version, read with the issued credentials.
    "finalize": LEDGER | {"tenant": 1},
}
FROM_TEMPLATE = FROM_POOL | {
    # CREATE DATABASE runs in no transaction: the roles come before it, and the privileges after it.
    "create_database": {"control_plane": 3, "postgres": 5},
    # Two more than the schema's own: who created the owner's role is looked up, and who may become it ends.
    "create_schema": {"control_plane": 3, "tenant": 11},
}


SECRETS_MANAGER = {
    "create_database": ["CreateSecret"],
    "generate_api_keys": ["GetSecretValue", "PutSecretValue"],
    "finalize": ["GetSecretValue"],
}


@pytest.fixture
def counts(stack: Stack) -> Iterator[Counter[str]]:
    """The queries of an environment that has not connected to anything yet; there is one entry in the pool."""
    with (
        patch.object(control_plane, "_environment", threading.local()),
        patch.object(cluster, "_environment", threading.local()),
        patch.object(service_client, "_environment", threading.local()),
        counted_queries("127.0.0.1", stack.postgres.port) as queries,
        refilled(stack),
    ):
        yield queries


def run(job: StagedJob) -> None:
    job.verify()
    for handler in STAGES:
        job.run(handler)


def round_trips(job: StagedJob, counts: Counter[str]) -> dict[str, dict[str, int]]:
    """Runs the job and returns the queries of each stage by database; "tenant" is the job's own."""
    found = {}
    for handler in (verify_project, *STAGES):
        counts.clear()
        job.verify() if handler is verify_project else job.run(handler)
        names = {job.names.database: "tenant"}
        found[handler.__name__] = {names.get(name, name): count for name, count in counts.items()}
    return found


@pytest.mark.parametrize(
    ("entries", "expected"), [(1, FROM_POOL), (0, FROM_TEMPLATE)], ids=["from the pool", "from a template"]
)
def test_each_stage_of_a_warm_job_makes_so_many_round_trips(
    new_project: NewProject, counts: Counter[str], entries: int, expected: dict[str, dict[str, int]]
) -> None:
    run(a_job(new_project(), *ALL))
    refill(entries)
    assert round_trips(a_job(new_project(), *ALL), counts) == expected


@pytest.mark.usefixtures("counts")
def test_each_stage_of_a_warm_job_from_the_pool_makes_so_many_calls_of_secrets_manager(new_project: NewProject) -> None:
    run(a_job(new_project(), *ALL))
    refill(1)
    job, called = a_job(new_project(), *ALL), dict[str, list[str]]()
    with called_operations() as operations:
        for handler in (verify_project, *STAGES):
            operations.clear()
            job.verify() if handler is verify_project else job.run(handler)
            called |= {handler.__name__: list(operations)} if operations else {}
    assert called == SECRETS_MANAGER


@contextmanager
def called_operations() -> Iterator[list[str]]:
    """Notes the name of every AWS operation that is called."""
    real, noted = vars(BaseClient)["_make_api_call"], []

    def call(client: BaseClient, operation: str, arguments: object) -> object:
        noted.append(operation)
        return real(client, operation, arguments)

    with patch.object(BaseClient, "_make_api_call", call):
        yield noted
