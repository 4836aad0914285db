"""The next command of a refused job has all that the job was asked for, or does not need it."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from provisioning import endings
from provisioning.endings import Ending
from provisioning.error_types import ErrorType
from provisioning.jobs.declaration import JobType
from provisioning.jobs.export_project import EXPORT_PROJECT
from provisioning.jobs.payload import parse_payload
from provisioning.jobs.provision_project import PROVISION_PROJECT
from tests.provisioning.test_endings import REFUSED

PLAN = "a" * 64
ASKED: dict[str, Any] = {
    "project_id": "p-1",
    "region": "eu-west-1",
    "services": {"pooler": True, "auth": True, "realtime": False},
}
ADD_CLUSTER = "provision cluster add CLUSTER --secret SECRET --capacity DATABASES"
ALL = ASKED | {"organization_id": "o", "owner_id": "u", "plan_id": PLAN, "database": {"storage_gb": 7}}
SERVICES = "--service auth --service pooler"


def following(payload: object, error: ErrorType, job_type: JobType = PROVISION_PROJECT.job_type) -> str:
    return REFUSED._replace(error_type=str(error), payload=payload, job_type=job_type).next_command


@pytest.mark.parametrize(
    ("error", "command"),
    [
        (
            ErrorType.PROJECT_NOT_FOUND,
            f"provision create p-1 --org o --owner u --region eu-west-1 --plan {PLAN} {SERVICES} --from FILE",
        ),
        (ErrorType.PROJECT_NOT_ELIGIBLE, "provision show p-1"),
        (
            ErrorType.PLAN_STALE,
            f"provision plan p-1 --job-type provision_project --org o --owner u {SERVICES} --from FILE",
        ),
        (
            ErrorType.CLUSTER_FULL,
            f"{ADD_CLUSTER}, then provision create p-1 --org o --owner u --plan {PLAN} {SERVICES} --from FILE",
        ),
        (ErrorType.ORGANIZATION_QUOTA_EXCEEDED, "provision organization show o"),
        (
            ErrorType.UNKNOWN_ERROR,
            f"once that is corrected, provision create p-1 --org o --owner u --plan {PLAN} {SERVICES} --from FILE",
        ),
    ],
)
def test_every_way_on_has_what_was_asked_or_does_not_need_it(error: ErrorType, command: str) -> None:
    assert following(ALL, error) == command


@pytest.mark.parametrize(
    ("more", "needs"),
    [
        ({}, False),
        ({"database": {}, "metadata": {}, "api_keys": {"count": 2}}, False),
        ({"database": {"engine": "postgresql", "version": "18", "size": "db.t3.micro", "storage_gb": 20}}, False),
        ({"api_keys": {"count": 3}}, True),
        ({"metadata": {"team": "a"}}, True),
        ({"database": {"version": "16"}}, True),
        ({"retries": "j-0"}, True),
    ],
)
def test_a_file_is_asked_for_only_if_no_option_says_it(more: dict[str, Any], needs: bool) -> None:
    assert ("--from FILE" in following(ASKED | more, ErrorType.UNKNOWN_ERROR)) is needs


def test_what_a_record_has_more_of_is_only_defaults() -> None:
    assert "FILE" not in following(parse_payload(ASKED).as_document(), ErrorType.UNKNOWN_ERROR)


def test_a_command_has_only_the_options_that_it_takes() -> None:
    asked = {"project_id": "p-1", "organization_id": "o", "owner_id": "u", "metadata": {"a": 1}, "plan_id": PLAN}
    export = EXPORT_PROJECT.job_type
    assert following(asked, ErrorType.MISCONFIGURED, export) == (
        f"once that is corrected, provision export p-1 --plan {PLAN} --from FILE"
    )
    assert following(asked, ErrorType.PROJECT_NOT_FOUND, export) == (
        f"provision create p-1 --org o --owner u, then provision export p-1 --plan {PLAN} --from FILE"
    )
    assert following(asked, ErrorType.PLAN_STALE, export) == (
        "provision plan p-1 --job-type export_project --from FILE"
    )


@pytest.mark.parametrize(
    ("payload", "options"),
    [
        (None, ""),
        ([], ""),
        ("text", ""),
        ({}, ""),
        ({"services": 3, "organization_id": ["x"], "plan_id": "$(id)"}, ""),
        (
            {"organization_id": "o; id", "owner_id": "u", "services": {"auth": "yes", "pooler": True}},
            " --owner u --service pooler",
        ),
        ({"organization_id": "o", "api_keys": {"count": 0}}, " --org o --from FILE"),
        ({"unknown": 1, "region": "nowhere"}, ""),
    ],
)
def test_what_breaks_the_rules_is_left_out(payload: object, options: str) -> None:
    assert following(payload, ErrorType.INVALID_PAYLOAD) == f"once that is corrected, provision create p-1{options}"


def described(answer: Mapping[str, Any] | None) -> tuple[Ending, list[str]]:
    asked: list[str] = []

    def describe(arn: str) -> Mapping[str, Any] | None:
        asked.append(arn)
        return answer

    return endings.with_payload(REFUSED._replace(execution_arn="arn"), describe), asked


@pytest.mark.parametrize(
    ("answer", "payload"),
    [
        ({"status": "FAILED", "input": json.dumps(ASKED)}, ASKED),
        ({"status": "FAILED"}, None),
        ({"status": "FAILED", "input": "[" * 100_000}, None),
        ({"status": "FORGOTTEN"}, None),
        (None, None),
    ],
)
def test_the_payload_is_that_of_the_execution_while_it_can_be_described(
    answer: Mapping[str, Any] | None, payload: object
) -> None:
    ending, asked = described(answer)
    assert (ending.payload, asked) == (payload, ["arn"])


@pytest.mark.parametrize(
    "other",
    [
        REFUSED._replace(execution_arn="arn", outcome="succeeded"),
        REFUSED._replace(execution_arn="arn", is_opened=True),
        REFUSED._replace(execution_arn=None),
    ],
)
def test_only_a_refused_job_is_asked_for(other: Ending) -> None:
    assert endings.with_payload(other, lambda _: pytest.fail("described")) is other
