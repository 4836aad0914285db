"""A request starts one job, however often, by whomever and at whatever moment it is sent."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from local.stack import Stack
from provisioning.errors import InvalidPayload, JobInProgress, ProjectNotEligible, ProjectNotFound
from provisioning.jobs.suspend_project import SUSPEND_PROJECT
from provisioning.requests import remembering, starting
from provisioning.requests.refusals import IdempotencyKeyReused, ProjectExists
from tests.executions.running import payload_for
from tests.requests.sending import (
    ACCOUNT,
    PROVISION,
    creation,
    jobs_of,
    new_id,
    of_role,
    request,
    requests_of,
    send,
    wait,
)

CALLERS = 32


def test_32_callers_at_once_under_one_key_start_one_job(stack: Stack, project_id: str) -> None:
    asked = request()
    with ThreadPoolExecutor(CALLERS) as pool:
        answers = list(pool.map(lambda _: send(asked, project_id), range(CALLERS)))
    (job_id,) = {one.job_id for one in answers}
    assert sorted(one.is_repeated for one in answers) == [False] + [True] * (CALLERS - 1)
    assert wait(stack, job_id) == "SUCCEEDED"
    assert [job[0] for job in jobs_of(stack, project_id)] == [job_id]


def test_a_repeated_request_gets_the_same_job_also_after_its_end(stack: Stack, project_id: str) -> None:
    asked = request()
    first = send(asked, project_id)
    assert wait(stack, first.job_id) == "SUCCEEDED"
    again = send(asked, project_id)
    assert (again.job_id, first.is_repeated, again.is_repeated) == (first.job_id, False, True)
    assert len(jobs_of(stack, project_id)) == 1


def test_the_order_of_the_fields_makes_no_other_body(stack: Stack, project_id: str) -> None:
    asked, payload = request(), payload_for(project_id)
    first = starting.start_job(asked, PROVISION, payload)
    again = starting.start_job(asked, PROVISION, dict(reversed(payload.items())))
    assert again == first._replace(is_repeated=True)
    assert wait(stack, first.job_id) == "SUCCEEDED"


def test_another_body_under_the_same_key_is_refused_and_names_the_job(stack: Stack, project_id: str) -> None:
    asked = request()
    job_id = send(asked, project_id).job_id
    with pytest.raises(IdempotencyKeyReused, match=job_id):
        send(asked, project_id, metadata={"other": True})
    wait(stack, job_id)
    with pytest.raises(IdempotencyKeyReused, match=job_id):
        starting.start_job(asked, SUSPEND_PROJECT.job_type, {"project_id": project_id})
    assert len(jobs_of(stack, project_id)) == 1


def test_two_sessions_of_one_role_get_the_same_job(stack: Stack, project_id: str) -> None:
    key = "of-two-sessions"
    first = send(request(key, of_role(session="ann")), project_id)
    second = send(request(key, of_role(session="bob")), project_id)
    assert second == first._replace(is_repeated=True)
    assert requests_of(stack, project_id) == [(f"{ACCOUNT}/AROAEXAMPLEBACKEND", "ann", first.job_id)]
    wait(stack, first.job_id)


def test_two_principals_with_one_key_start_two_jobs(stack: Stack) -> None:
    key = "of-two-principals"
    answers = {
        project_id: starting.create_project(request(key, of_role(role)), creation(project_id))
        for project_id, role in ((new_id(), "AROAONE"), (new_id(), "AROATWO"))
    }
    for project_id, answer in answers.items():
        assert not answer.is_repeated
        assert wait(stack, answer.job_id) == "SUCCEEDED"
        assert [job[0] for job in jobs_of(stack, project_id)] == [answer.job_id]


def test_the_job_says_which_principal_started_it(stack: Stack, project_id: str) -> None:
    job_id = send(request(), project_id).job_id
    wait(stack, job_id)
    assert jobs_of(stack, project_id) == [(job_id, PROVISION, "succeeded", f"{ACCOUNT}/AROAEXAMPLEBACKEND")]


def test_a_job_without_a_request_says_that_it_was_started_by_hand(stack: Stack, project_id: str) -> None:
    stack.run(payload_for(project_id), f"by-hand-{project_id}")
    stack.run(payload_for(project_id), f"refused-{project_id}")
    assert [job[2:] for job in jobs_of(stack, project_id)] == [
        ("succeeded", "StartExecution"),
        ("failed", "StartExecution"),
    ]


def test_a_request_is_pending_until_its_job_opens(stack: Stack, project_id: str) -> None:
    asked = request()
    with stack.runtime.replaced("VerifyProjectFunction", lambda *_: {"unusable": True}):
        job_id = send(asked, project_id).job_id
        pending = remembering.find_pending(job_id)
        assert pending is not None
        assert (pending.job_type, pending.project_id, pending.session_name) == (PROVISION, project_id, "ann")
        wait(stack, job_id)
    assert remembering.find_pending(job_id) is None, "the ledger has its failure"
    assert remembering.find_pending("nobody-asked-for-it") is None


def test_a_change_that_meets_a_running_job_is_refused_and_names_it(stack: Stack, project_id: str) -> None:
    execution = f"running-{project_id}"

    def meet(event: object, context: object) -> object:
        del event, context
        with pytest.raises(JobInProgress) as refused:
            send(asked, project_id)
        named.append(refused.value.job_id)
        raise RuntimeError("not now")

    asked, named = request(), list[str | None]()
    with stack.runtime.replaced("CreateDatabaseFunction", meet):
        stack.run(payload_for(project_id), execution)
    assert set(named) == {execution}
    assert requests_of(stack, project_id) == [], "the key is free"
    assert wait(stack, send(asked, project_id).job_id) == "SUCCEEDED"


def test_what_its_job_would_refuse_is_refused_before_anything_is_written(stack: Stack, project_id: str) -> None:
    unknown = new_id()
    with pytest.raises(ProjectNotFound):
        send(request(), unknown)
    with pytest.raises(ProjectNotEligible, match="is created"):
        starting.start_job(request(), SUSPEND_PROJECT.job_type, {"project_id": project_id})
    with pytest.raises(InvalidPayload, match="region: is required"):
        starting.start_job(request(), PROVISION, {"project_id": project_id})
    assert requests_of(stack, project_id) == requests_of(stack, unknown) == []


@pytest.mark.parametrize("key", ["", "k" * 256, "clé", "a\nb", "a\x00b"])
def test_a_key_that_is_none_is_refused(key: str, project_id: str) -> None:
    with pytest.raises(InvalidPayload, match="Idempotency-Key"):
        send(request()._replace(key=key), project_id)


def test_a_project_is_created_and_provisioned_in_one_request(stack: Stack) -> None:
    project_id, asked = new_id(), request()
    first = starting.create_project(asked, creation(project_id))
    assert wait(stack, first.job_id) == "SUCCEEDED"
    assert starting.create_project(asked, creation(project_id)) == first._replace(is_repeated=True)
    assert [job[0] for job in jobs_of(stack, project_id)] == [first.job_id]


def test_a_project_that_exists_is_not_created_again(stack: Stack, project_id: str) -> None:
    with pytest.raises(ProjectExists):
        starting.create_project(request(), creation(project_id))
    assert requests_of(stack, project_id) == []


def test_of_many_that_create_one_project_under_different_keys_one_does(stack: Stack) -> None:
    project_id = new_id()

    def create(_: int) -> str | None:
        try:
            return starting.create_project(request(), creation(project_id)).job_id
        except ProjectExists:
            return None

    with ThreadPoolExecutor(8) as pool:
        (job_id,) = set(pool.map(create, range(8))) - {None}
    assert wait(stack, str(job_id)) == "SUCCEEDED"
    assert [job[0] for job in jobs_of(stack, project_id)] == [job_id]


def test_a_project_to_create_has_an_organization_and_an_owner(project_id: str) -> None:
    with pytest.raises(InvalidPayload, match="organization_id: is required; owner_id: is required"):
        starting.create_project(request(), payload_for(project_id))
