"""A job that would do anything else than its plan says is refused in the transaction that opens it."""

import os
from collections.abc import Callable
from unittest.mock import patch

import pytest

from local.stack import Stack
from provisioning import control_plane
from provisioning.errors import PlanStale
from provisioning.jobs import quotas
from provisioning.jobs.declaration import JobType
from provisioning.jobs.provision_project import PROVISION_PROJECT
from provisioning.jobs.suspend_project import SUSPEND_PROJECT
from provisioning.planning import plan
from provisioning.requests.changing import payload_of_retry
from tests.conftest import ORGANIZATION, NewProject
from tests.executions.looking import look
from tests.stages.declared_jobs import a_job_of, bring
from tests.stages.jobs import StagedJob, a_job, at_once, execute, open_job, outdate_pool, refilled
from tests.stages.test_verify_project import cluster, region

__all__ = ["region"]
Change = Callable[[Stack, StagedJob, NewProject], object]


def planned(job: StagedJob) -> StagedJob:
    job.payload["plan_id"] = plan.make(job.job_type, job.payload).plan.plan_id
    return job


def take_the_ready_tenant(stack: Stack, job: StagedJob, new_project: NewProject) -> None:
    del stack, job
    open_job(new_project())


def make_another_schema(stack: Stack, job: StagedJob, new_project: NewProject) -> None:
    del job, new_project
    outdate_pool(stack)


def want_another_service(stack: Stack, job: StagedJob, new_project: NewProject) -> None:
    del stack, new_project
    job.payload["services"] = {"realtime": True}


def want_other_metadata(stack: Stack, job: StagedJob, new_project: NewProject) -> None:
    del stack, new_project
    job.payload["metadata"] = {"note": "another"}


def open_another_job(stack: Stack, job: StagedJob, new_project: NewProject) -> None:
    del stack, new_project
    open_job(job.project_id)


def succeed_before(stack: Stack, job: StagedJob, new_project: NewProject) -> None:
    del stack, new_project
    bring(a_job_of(PROVISION_PROJECT, job.project_id), "succeeded")


CHANGES: tuple[Change, ...] = (
    take_the_ready_tenant,
    make_another_schema,
    want_another_service,
    want_other_metadata,
    open_another_job,
    succeed_before,
)


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_a_job_that_would_do_something_else_is_not_opened(
    stack: Stack, new_project: NewProject, change: Change
) -> None:
    with refilled(stack):
        job = planned(a_job(new_project(), "auth"))
        change(stack, job, new_project)
        before = look(stack, job.project_id)
        with pytest.raises(PlanStale, match="no longer holds"):
            job.verify()
        assert look(stack, job.project_id) == before


def test_of_several_jobs_that_are_planned_for_one_ready_tenant_one_opens(stack: Stack, new_project: NewProject) -> None:
    with refilled(stack):
        answers = at_once(*(planned(a_job(new_project())).verify for _ in range(4)))
    assert sorted(type(answer).__name__ for answer in answers) == ["PlanStale"] * 3 + ["dict"]


def test_a_new_tenant_where_one_of_the_pool_was_planned_is_stale_and_the_reverse(
    stack: Stack, new_project: NewProject
) -> None:
    job = planned(a_job(new_project()))
    with refilled(stack):
        with pytest.raises(PlanStale):
            job.verify()
        job.payload.pop("plan_id")
        planned(job).verify()


def test_another_adapter_of_a_service_makes_the_plan_stale(new_project: NewProject) -> None:
    job = planned(a_job(new_project(), "realtime"))
    with patch.dict(os.environ, {"REALTIME_SERVICE_ADAPTER": "supabase-realtime"}), pytest.raises(PlanStale):
        job.verify()
    job.verify()


def test_another_cluster_makes_the_plan_stale(stack: Stack, new_project: NewProject, region: str) -> None:
    cluster(stack, region, "a", 1)
    job = planned(a_job(new_project(region), region=region))
    larger = cluster(stack, region, "b", 3)
    with pytest.raises(PlanStale, match=larger):
        job.verify()


def test_no_room_makes_the_plan_stale_and_the_message_says_so(
    stack: Stack, new_project: NewProject, region: str
) -> None:
    cluster(stack, region, "a", 1)
    job = planned(a_job(new_project(region), region=region))
    open_job(new_project(region), region=region)
    with pytest.raises(PlanStale, match="is full, so the plan no longer holds"):
        job.verify()


def test_a_limit_of_the_organization_makes_the_plan_stale(project_id: str) -> None:
    job = planned(a_job(project_id))
    control = control_plane.connect()
    usage = quotas.find_usage(control, ORGANIZATION)
    assert usage is not None
    quotas.limit(control, ORGANIZATION, {"projects": 0})
    try:
        with pytest.raises(PlanStale, match="limit of 0"):
            job.verify()
    finally:
        quotas.limit(control, ORGANIZATION, {"projects": usage["projects"][1]})


def test_other_registrations_of_the_tenant_make_the_plan_of_a_suspension_stale(stack: Stack, project_id: str) -> None:
    bring(a_job_of(PROVISION_PROJECT, project_id, "auth", "storage"), "succeeded")
    job = planned(a_job_of(SUSPEND_PROJECT, project_id))
    removed = "UPDATE control_plane.service_registrations SET status = %s WHERE tenant_id = %s AND service = 'storage'"
    tenant_id = plan.make(job.job_type, job.payload).plan.decision.tenant_id
    execute(stack, "control_plane", removed, "removed", tenant_id)
    with pytest.raises(PlanStale):
        job.verify()
    execute(stack, "control_plane", removed, "registered", tenant_id)
    job.verify()


def test_a_job_that_is_delivered_again_after_it_opened_keeps_its_answer(stack: Stack, new_project: NewProject) -> None:
    with refilled(stack):
        job = planned(a_job(new_project()))
        assert job.verify() == job.verify()


def test_a_plan_has_no_age_and_does_not_depend_on_defaults_that_are_left_out(project_id: str) -> None:
    short = a_job(project_id)
    whole: dict[str, object] = PROVISION_PROJECT.parse(short.payload).as_document()
    first, second = (plan.make(short.job_type, one).plan.plan_id for one in (short.payload, whole))
    assert first == second


@pytest.mark.parametrize("job_type", [PROVISION_PROJECT.job_type, SUSPEND_PROJECT.job_type])
def test_an_id_that_no_plan_has_is_stale(project_id: str, job_type: JobType) -> None:
    job = a_job(project_id)
    if job_type == SUSPEND_PROJECT.job_type:
        bring(job, "succeeded")
        job = a_job_of(SUSPEND_PROJECT, project_id)
    job.payload["plan_id"] = "0" * 64
    with pytest.raises(PlanStale):
        job.verify()


def test_a_retry_has_no_plan() -> None:
    assert payload_of_retry({"project_id": "p", "plan_id": "0" * 64}, "job-1", "rolled_back") == {"project_id": "p"}
