"""Reconcile finds and removes what a superseded attempt makes after a removal or a reveal."""

from typing import Any
from unittest.mock import patch

import pytest

from local.stack import Stack
from provisioning import control_plane
from provisioning.aws import secrets
from provisioning.errors import SecretsUnavailable
from provisioning.tenant import holding, key_delivery, secret
from stages.activation import finalize
from stages.database import create_database
from tests.conftest import NewProject
from tests.executions.looking import look
from tests.stages.jobs import REGISTER, StagedJob, look_again, open_job
from tests.stages.native_apis import SERVES
from tests.stages.test_native_services import running
from tests.upkeep.conftest import tenant_of


def late_credentials(job: StagedJob) -> str:
    tenant = holding.find(control_plane.connect(), str(job.tenant_id))
    assert tenant is not None
    secret.ensure_credentials(tenant)
    return job.names.secret


def late_api_keys(job: StagedJob) -> str:
    name = job.names.api_keys_secret(job.job_id)
    secrets.create(name, {"api_keys": []}, description="late", tags={})
    return name


@pytest.mark.parametrize("late", [late_credentials, late_api_keys])
def test_a_secret_that_a_superseded_attempt_created_late_is_found_and_removed(
    stack: Stack, removed: StagedJob, late: Any
) -> None:
    name = late(removed)
    answer = look_again(stack, removed.tenant_id)
    assert name in answer["found"]
    assert removed.tenant_id not in answer["finished"]
    world = look(stack, removed.project_id)
    assert world.secrets == []
    (told,) = world.audited("tenant looked at again", removed.job_id)
    assert told["details"] == {"removed": [name], "error_message": None}
    assert removed.tenant_id in look_again(stack, removed.tenant_id)["finished"], "the next look finds nothing"


@pytest.mark.parametrize("service", SERVES)
def test_a_registration_that_arrived_late_is_found_and_removed(
    stack: Stack, new_project: NewProject, monkeypatch: pytest.MonkeyPatch, service: str
) -> None:
    with running(stack, monkeypatch, service) as api:
        job = open_job(new_project())
        job.run(create_database)
        job.run(REGISTER[service])
        put = dict(api.tenants)
        job.roll_back()
        assert api.tenants == {}
        api.tenants.update(put)
        assert f"{service} registration" in look_again(stack, job.tenant_id)["found"]
        assert api.tenants == {}
        assert job.tenant_id in look_again(stack, job.tenant_id)["finished"]


def test_keys_that_were_stored_again_after_they_were_revealed_are_removed(stack: Stack, job: StagedJob) -> None:
    job.run_until(finalize)
    assert key_delivery.reveal_api_keys(job.project_id)
    name = late_api_keys(job)
    assert name in look_again(stack, job.tenant_id)["found"]
    assert look(stack, job.project_id).raw_keys == []
    assert name not in look_again(stack, job.tenant_id)["found"]
    assert tenant_of(stack, job)["state"] == "active"


def test_a_secret_that_cannot_be_looked_at_keeps_no_other_from_its_turn(stack: Stack, new_project: NewProject) -> None:
    jobs = [open_job(new_project()) for _ in range(2)]
    for job in jobs:
        job.run_until(finalize)
        assert key_delivery.reveal_api_keys(job.project_id)
        late_api_keys(job)
    remove, stuck = secrets.remove, jobs[0].names.api_keys_secret(jobs[0].job_id)

    def remove_all_but_the_first(name: str, *, removed_before: bool) -> bool:
        if name == stuck:
            raise SecretsUnavailable("Secrets Manager does not answer for this one")
        return remove(name, removed_before=removed_before)

    with patch.object(secrets, "remove", remove_all_but_the_first), pytest.raises(SecretsUnavailable):
        look_again(stack, *(job.tenant_id for job in jobs))
    assert [len(look(stack, job.project_id).raw_keys) > 0 for job in jobs] == [True, False]
    assert stuck in look_again(stack, jobs[0].tenant_id)["found"]
