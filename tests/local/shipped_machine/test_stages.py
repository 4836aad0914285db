"""The input of each function in the shipped state machine, and where its failure leads."""

import json

import pytest

from tests.local.conftest import Machine
from tests.local.shipped_machine.toys import (
    CHOSEN,
    CLAIMED,
    COMPENSATIONS,
    PAYLOAD,
    REGISTRATIONS,
    InvalidPayload,
    Toys,
    arn_of,
)


def test_every_stage_is_given_its_job_and_the_tenant_that_the_job_has_by_then(
    machine: Machine, job: str, toys: Toys
) -> None:
    ended = machine.run(json.dumps(PAYLOAD), job)
    assert (ended["status"], json.loads(ended["output"])) == ("SUCCEEDED", {"project_id": "p"})
    assert toys.events("VerifyProjectFunction") == [
        {
            "job_type": "provision_project",
            "job_id": job,
            "execution_arn": arn_of(machine, job),
            "payload": PAYLOAD,
        }
    ]
    assert toys.events("CreateDatabaseFunction") == [{"job_id": job, "tenant_id": CHOSEN}]
    after = ["CreateSchemaFunction", *REGISTRATIONS, "GenerateApiKeysFunction"]
    assert toys.events(*after) == [{"job_id": job, "tenant_id": CLAIMED}] * len(after)
    of_type = {"job_type": "provision_project", "job_id": job, "tenant_id": CLAIMED}
    assert toys.events("FinalizeFunction") == [of_type]
    assert len(toys.called) == 3 + len(after)


def test_a_service_that_is_not_wanted_answers_nulls_and_the_job_continues(
    machine: Machine, job: str, toys: Toys
) -> None:
    nulls = {"service": None, "external_id": None, "endpoint": None}
    toys.answers |= dict.fromkeys(REGISTRATIONS, nulls)
    assert machine.run(json.dumps(PAYLOAD), job)["status"] == "SUCCEEDED"


@pytest.mark.parametrize(
    ("function", "stage", "tenant_id"),
    [
        ("CreateDatabaseFunction", "creating_database", CHOSEN),
        ("CreateSchemaFunction", "creating_schema", CLAIMED),
        ("RegisterStorageFunction", "registering_storage", CLAIMED),
        ("GenerateApiKeysFunction", "generating_api_keys", CLAIMED),
        ("FinalizeFunction", "finalizing", CLAIMED),
    ],
)
def test_a_failed_stage_is_rolled_back_with_the_tenant_that_the_job_had(
    machine: Machine, job: str, toys: Toys, function: str, stage: str, tenant_id: str
) -> None:
    toys.answers[function] = InvalidPayload("no")
    ended = machine.run(json.dumps(PAYLOAD), job)
    assert (ended["status"], ended["error"], ended["cause"]) == ("FAILED", "Stopped", "Nothing is left.")
    assert toys.called[-4:] == [*COMPENSATIONS, "RecordFailureFunction"]
    (recorded,) = toys.events("RecordFailureFunction")
    failure = recorded.pop("failure")
    assert failure[stage]["Error"] == "InvalidPayload"
    of_the_job = {"job_type": "provision_project", "job_id": job, "tenant_id": tenant_id}
    given = of_the_job | {"forgotten": False, "failure": failure}
    assert toys.events(*COMPENSATIONS) == [given] * 3
    expected: dict[str, object] = {
        "job_type": "provision_project",
        "job_id": job,
        "execution_arn": arn_of(machine, job),
    }
    expected |= {"payload": PAYLOAD, "tenant_id": tenant_id, "forgotten": False}
    assert recorded == expected


@pytest.mark.parametrize("payload", ["text", None, 5, [], ["rolls_back"], {}, {"rolls_back": None}, {"rolls_back": 5}])
def test_what_names_no_job_by_a_string_is_a_payload_for_the_first_stage(
    machine: Machine, job: str, toys: Toys, payload: object
) -> None:
    toys.answers["VerifyProjectFunction"] = InvalidPayload("no")
    assert machine.run(json.dumps(payload), job)["status"] == "FAILED"
    assert toys.called == ["VerifyProjectFunction", "RecordFailureFunction"]
    assert toys.events("VerifyProjectFunction")[0]["payload"] == payload
    (recorded,) = toys.events("RecordFailureFunction")
    assert (recorded["payload"], recorded["tenant_id"], list(recorded["failure"])) == (payload, None, ["initializing"])
