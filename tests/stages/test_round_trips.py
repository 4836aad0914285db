"""The round trips of each stage of a warm job to PostgreSQL, counted on the wire: no number grows by accident."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch

import pytest
from botocore.client import BaseClient

from local.stack import Stack
from provisioning.cluster.session import REGISTER
from provisioning.jobs.calls import Calls
from provisioning.jobs.provision_project import PROVISION_PROJECT
from provisioning.planning.counting import calls_of
from provisioning.planning.decision import Source
from stages.activation import finalize
from stages.api_keys import generate_api_keys
from stages.database import create_database
from stages.schema import create_schema
from stages.services import register_auth, register_pooler, register_realtime, register_storage
from tests.conftest import NewProject
from tests.stages.counting_proxy import counted_queries
from tests.stages.declared_jobs import handler_of
from tests.stages.jobs import StagedJob, a_job, lambda_environment, refill, refilled

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
both = pytest.mark.parametrize(
    ("entries", "source"), [(1, Source.POOL), (0, Source.NEW)], ids=["from the pool", "from nothing"]
)


def declared(source: Source) -> dict[str, Calls]:
    """What each stage is declared to ask for, by its handler."""
    steps = [(step, handler_of(step.state).__name__) for step in PROVISION_PROJECT.steps]
    return {name: calls_of(step, source) for step, name in steps}


def expected_round_trips(source: Source) -> dict[str, dict[str, int]]:
    """The declared round trips of each stage by database."""
    found = {}
    for name, calls in declared(source).items():
        counted = {"control_plane": calls.control_plane, REGISTER: calls.register, "tenant": calls.tenant_database}
        found[name] = {database: count for database, count in counted.items() if count}
    return found


def expected_calls(source: Source) -> dict[str, list[str]]:
    """The declared operations of each stage that calls Secrets Manager."""
    return {name: list(one.secrets_manager) for name, one in declared(source).items() if one.secrets_manager}


@pytest.fixture
def counts(stack: Stack) -> Iterator[Counter[str]]:
    """The queries of an environment that has not connected to anything yet; there is one tenant in the pool."""
    with (
        lambda_environment(),
        counted_queries("127.0.0.1", stack.postgres.port) as queries,
        refilled(stack),
    ):
        yield queries


def stage_by_stage(job: StagedJob) -> Iterator[str]:
    """Run the job's stages, and yield the name of each once it has run."""
    job.verify()
    yield "verify_project"
    for handler in STAGES:
        job.run(handler)
        yield handler.__name__


def warmed_up(new_project: NewProject, entries: int) -> StagedJob:
    """Run a job in this environment, bring the pool to that many tenants, and return the next job."""
    assert len([*stage_by_stage(a_job(new_project(), *ALL))]) == 1 + len(STAGES)
    refill(entries)
    return a_job(new_project(), *ALL)


def round_trips(job: StagedJob, counts: Counter[str]) -> dict[str, dict[str, int]]:
    """Run the job and return the queries of each stage by database; "tenant" is the job's own."""
    found = {}
    counts.clear()
    for stage in stage_by_stage(job):
        names = {job.names.database: "tenant"}
        found[stage] = {names.get(name, name): count for name, count in counts.items()}
        counts.clear()
    return found


@both
def test_each_stage_of_a_warm_job_makes_so_many_round_trips(
    new_project: NewProject, counts: Counter[str], entries: int, source: Source
) -> None:
    assert round_trips(warmed_up(new_project, entries), counts) == expected_round_trips(source)


def test_from_the_pool_a_job_asks_its_cluster_once_before_it_is_finalized(
    new_project: NewProject, counts: Counter[str]
) -> None:
    asked = round_trips(warmed_up(new_project, 1), counts)
    asked.pop("finalize")
    assert sum(count for stage in asked.values() for name, count in stage.items() if name != "control_plane") == 1


@both
@pytest.mark.usefixtures("counts")
def test_each_stage_of_a_warm_job_makes_so_many_calls_of_secrets_manager(
    new_project: NewProject, entries: int, source: Source
) -> None:
    job, called = warmed_up(new_project, entries), dict[str, list[str]]()
    with called_operations() as operations:
        for stage in stage_by_stage(job):
            called |= {stage: list(operations)} if operations else {}
            operations.clear()
    assert called == expected_calls(source)


@contextmanager
def called_operations() -> Iterator[list[str]]:
    """Note the name of every AWS operation that is called."""
    real, noted = vars(BaseClient)["_make_api_call"], []

    def call(client: BaseClient, operation: str, arguments: object) -> object:
        noted.append(operation)
        return real(client, operation, arguments)

    with patch.object(BaseClient, "_make_api_call", call):
        yield noted
