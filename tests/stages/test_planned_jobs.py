"""A job that names a plan does exactly what the plan says: calls are counted, resources and their names looked for."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import pytest
import urllib3

from local.stack import Stack
from provisioning.cluster.session import REGISTER
from provisioning.jobs.declaration import Declaration, TenantOf
from provisioning.jobs.registry import DECLARATIONS
from provisioning.planning import counting, plan, resources
from provisioning.planning.plan import Plan
from tests.conftest import NewProject
from tests.executions.looking import look
from tests.executions.running import SERVICES
from tests.stages.counting_proxy import counted_queries
from tests.stages.declared_jobs import a_job_of, handler_of
from tests.stages.jobs import StagedJob, execute, lambda_environment, outdate_pool, refill
from tests.stages.test_round_trips import called_operations
from tests.state_machines import every_declaration

DATABASES = {"control_plane": counting.CONTROL_PLANE, REGISTER: counting.REGISTER}
ROLES = "SELECT rolname FROM pg_roles WHERE starts_with(rolname, %s)"
DATABASE = "SELECT datname FROM pg_database WHERE datname = %s"
REGISTERED = "SELECT service || ' ' || tenant_id FROM control_plane.service_registrations WHERE job_id = %s"
KEYS = "SELECT prefix || '_' || kind || '_…' FROM control_plane.api_keys WHERE job_id = %s ORDER BY position"


@contextmanager
def requested() -> Iterator[list[str]]:
    """Note the service of every request over HTTP."""
    real, noted = urllib3.PoolManager.request, []

    def request(pool: Any, method: str, url: str, **options: Any) -> Any:
        noted.append(url.split("/")[3])
        return real(pool, method, url, **options)

    with patch.object(urllib3.PoolManager, "request", request):
        yield noted


def planned(job: StagedJob) -> Plan:
    """The plan of a job, which its payload then names."""
    made = plan.make(job.job_type, job.payload).plan
    job.payload["plan_id"] = made.plan_id
    return made


def run(job: StagedJob) -> int:
    """Run every stage, and return how many there were."""
    states = [*DECLARATIONS[job.job_type].states.values()]
    job.verify()
    for state in states[1:]:
        job.run(handler_of(state))
    return len(states)


def next_job(stack: Stack, declared: Declaration, project_id: str, *services: str) -> StagedJob:
    """A job of a type for a project that was brought to where it opens, with these services."""
    for earlier in DECLARATIONS.values():
        if earlier is declared:
            break
        run(a_job_of(earlier, project_id, *services))
    return a_job_of(declared, project_id, *services)


@pytest.mark.slow
@pytest.mark.parametrize("services", [SERVICES, ("auth", "storage")], ids=["all", "two"])
@pytest.mark.parametrize("ready", [1, 0], ids=["from the pool", "from nothing"])
@every_declaration
def test_a_job_makes_the_calls_of_its_plan(
    stack: Stack, new_project: NewProject, declared: Declaration, ready: int, services: tuple[str, ...]
) -> None:
    with (
        lambda_environment(),
        counted_queries("127.0.0.1", stack.postgres.port) as trips,
        called_operations() as operations,
        requested() as requests,
    ):
        outdate_pool(stack)
        refill(0)
        # Everything is connected to, and every secret of the environment read, before the calls count.
        run(next_job(stack, declared, new_project(), *SERVICES))
        refill(ready)
        job = next_job(stack, declared, new_project(), *services)
        made = planned(job)
        for noted in (trips, operations, requests):
            noted.clear()
        invoked = run(job)
        found = Counter({counting.LAMBDA: invoked})
        for database, count in trips.items():
            found[DATABASES.get(database, counting.TENANT)] += count
        # The others are of S3, whose number no plan knows.
        of_secrets = [one for one in operations if one.endswith(("Secret", "SecretValue"))]
        found.update(f"{counting.SECRETS_MANAGER} {operation}" for operation in of_secrets)
        found.update(f"{counting.HTTP} {service}" for service in requests)
    said = {call.kind: call.number for call in made.calls}
    unknown = {kind for kind, number in said.items() if number is None}
    assert {kind: count for kind, count in found.items() if kind not in unknown} == {
        kind: number for kind, number in said.items() if kind not in unknown
    }


@pytest.mark.parametrize("ready", [1, 0], ids=["from the pool", "from nothing"])
def test_a_job_leaves_the_resources_of_its_plan_by_number_and_name(
    stack: Stack, new_project: NewProject, ready: int
) -> None:
    outdate_pool(stack)
    refill(ready)
    (declared,) = (one for one in DECLARATIONS.values() if one.tenant is TenantOf.NEW)
    job = a_job_of(declared, new_project(), "auth", "storage", api_keys={"count": 4, "prefix": "acme"})
    made = planned(job)
    assert (made.decision.tenant_id is None) is (ready == 0)
    run(job)
    assert made.decision.tenant_id in (None, job.tenant_id)
    names = job.names
    left = {
        "database": execute(stack, "postgres", DATABASE, names.database),
        "role": execute(stack, "postgres", ROLES, f"{names.database}_"),
        "registration": execute(stack, "control_plane", REGISTERED, job.job_id),
        "API key": execute(stack, "control_plane", KEYS, job.job_id),
        "schema": [("public",)],
    }
    secrets = [one for one in made.resources if one.kind == "secret"]
    assert sum(one.number for one in secrets) == len(look(stack, job.project_id).secrets)
    promised: dict[str, list[str]] = {}
    for one in (one for one in made.resources if one not in secrets):
        assert one.number == len(one.names)
        promised.setdefault(one.kind, []).extend(name.replace("{tenant_id}", names.tenant_id) for name in one.names)
    assert {kind: sorted(found) for kind, found in promised.items()} == {
        kind: sorted(name for (name,) in rows) for kind, rows in left.items()
    }


@every_declaration
def test_a_plan_says_of_every_stage_that_is_undone_what_it_does(declared: Declaration) -> None:
    undone = [step for step in declared.steps if step.undone_by is not None]
    assert [step.stage for step in undone if step.stage not in resources.OF_STAGE and step.leaves is None] == []
