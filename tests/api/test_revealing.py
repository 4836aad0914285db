"""The route that reveals API keys: it decides once, and says where they are."""

import json
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from api.requests import answer_request
from api.revealing import SECONDS_TO_READ
from local.stack import Stack
from provisioning import control_plane
from provisioning.aws import secrets, secrets_manager
from provisioning.tenant.key_delivery import find_due, look_again, reveal_api_keys
from tests.api.asking import Answer, Context, ask, event, get, post
from tests.conftest import NewProject
from tests.executions.running import execute, payload_for, run
from tests.provisioning.failing_secrets_manager import UNREACHABLE, refusing
from tests.stages import jobs


def reveal(project_id: str, key: str | None = None) -> Answer:
    """Ask for a project's keys, under a key of its own if none is given."""
    return ask("POST", f"/v1/projects/{project_id}/api-keys/reveal", key=key or uuid.uuid4().hex)


def as_another(project_id: str, key: str) -> Any:
    """Ask for a project's keys as another principal, and return the answer's body."""
    asked = event("POST", f"/v1/projects/{project_id}/api-keys/reveal")
    asked["headers"] |= {"idempotency-key": key}
    asked["requestContext"]["authorizer"]["iam"]["userId"] = "AROAOTHER:a-session"
    return json.loads(answer_request(asked, Context())["body"])


def change(project_id: str, job_type: str) -> None:
    """Run a job of a type for a project."""
    job_id = post(f"/v1/projects/{project_id}/jobs/{job_type}", {}).body["job_id"]
    assert get(f"/v1/jobs/{job_id}?wait=25")["outcome"] == "succeeded"


def hour_is_over(stack: Stack, project_id: str) -> None:
    """Have an hour pass since the reveal, as far as the control plane knows."""
    execute(
        stack,
        f"UPDATE control_plane.api_key_secrets SET look_again_at = look_again_at - {SECONDS_TO_READ} * interval '1 s'"
        f" WHERE tenant_id IN (SELECT tenant_id FROM control_plane.tenants WHERE project_id = '{project_id}')",
        "control_plane",
    )


@pytest.fixture
def provisioned(stack: Stack, project_id: str) -> str:
    """A project whose keys wait in their secret."""
    run(stack, payload_for(project_id))
    return project_id


def test_a_reveal_answers_with_the_arn_of_the_secret_and_no_key(provisioned: str) -> None:
    answer = reveal(provisioned)
    assert (answer.status, answer.body["is_repeated"]) == (200, False)
    keys = secrets.read(answer.body["secret_arn"])["api_keys"]
    hints = [key["hint"] for key in get(f"/v1/projects/{provisioned}/api-keys")["api_keys"]]
    assert [key["key"][-4:] for key in keys] == hints
    assert not any(key["key"] in json.dumps(answer.body) for key in keys)


def test_the_secret_is_kept_for_an_hour(provisioned: str) -> None:
    body = reveal(provisioned).body
    revealed, kept = (datetime.fromisoformat(body[name]) for name in ("revealed_at", "kept_until"))
    assert kept - revealed == timedelta(seconds=SECONDS_TO_READ)
    assert abs(datetime.now(UTC) - revealed) < timedelta(minutes=5)


def test_a_repeated_reveal_gets_the_same_secret_and_another_key_is_told_when(provisioned: str) -> None:
    key = uuid.uuid4().hex
    first, repeated, other = reveal(provisioned, key), reveal(provisioned, key), reveal(provisioned)
    assert repeated.body == first.body | {"is_repeated": True}
    assert (other.status, other.body["type"]) == (409, "KeysRevealed")
    assert other.body["revealed_at"] == first.body["revealed_at"]
    assert first.body["secret_arn"] not in json.dumps(other.body)


def test_the_same_key_of_another_principal_is_another_key(provisioned: str) -> None:
    key = uuid.uuid4().hex
    reveal(provisioned, key)
    assert as_another(provisioned, key)["type"] == "KeysRevealed"


@pytest.mark.slow
def test_of_32_requests_at_once_one_key_gets_the_secret(provisioned: str) -> None:
    keys = [uuid.uuid4().hex for _ in range(4)] * 8
    with ThreadPoolExecutor(len(keys)) as callers:
        answers = list(callers.map(lambda key: (key, reveal(provisioned, key)), keys))
    found = [(key, answer) for key, answer in answers if answer.status == 200]
    assert (len(found), len({key for key, _ in found})) == (8, 1)
    assert [answer.body["is_repeated"] for _, answer in found].count(False) == 1
    assert {answer.body["type"] for _, answer in answers if answer.status != 200} == {"KeysRevealed"}


@pytest.mark.slow
def test_the_command_and_the_route_share_one_decision(stack: Stack, new_project: NewProject) -> None:
    first, second = (new_project() for _ in range(2))
    for project_id in (first, second):
        run(stack, payload_for(project_id))
    arn = reveal(first).body["secret_arn"]
    assert reveal_api_keys(first) == []
    assert secrets.read(arn)["api_keys"]
    assert len(reveal_api_keys(second)) == 2
    answer = reveal(second)
    assert (answer.status, answer.body["type"]) == (409, "KeysRevealed")


def test_keys_that_the_command_could_not_read_are_revealed_to_a_request(provisioned: str) -> None:
    with refusing("GetSecretValue", UNREACHABLE), pytest.raises(Exception, match="Secrets Manager"):
        reveal_api_keys(provisioned)
    assert reveal(provisioned).status == 200


@pytest.mark.slow
def test_a_key_that_has_revealed_other_keys_is_refused(stack: Stack, provisioned: str, new_project: NewProject) -> None:
    other, key = new_project(), uuid.uuid4().hex
    run(stack, payload_for(other))
    reveal(provisioned, key)
    answer = reveal(other, key)
    assert (answer.status, answer.body["type"]) == (422, "IdempotencyKeyReused")
    assert reveal(other).status == 200


@pytest.mark.slow
def test_the_keys_of_a_project_that_is_not_active_stay_where_they_are(provisioned: str) -> None:
    change(provisioned, "suspend_project")
    answer = reveal(provisioned)
    assert (answer.status, answer.body["type"]) == (409, "ProjectNotEligible")
    change(provisioned, "resume_project")
    assert reveal(provisioned).status == 200


@pytest.mark.slow
def test_a_lost_answer_is_given_again_after_a_suspension(provisioned: str) -> None:
    key = uuid.uuid4().hex
    first = reveal(provisioned, key)
    change(provisioned, "suspend_project")
    assert reveal(provisioned, key).body == first.body | {"is_repeated": True}


def test_a_project_without_keys_or_one_that_is_unknown_reveals_nothing(stack: Stack, project_id: str) -> None:
    assert (reveal(project_id).status, reveal("nobody").status) == (409, 404)
    assert reveal("nobody").body["type"] == "ProjectNotFound"


@pytest.mark.slow
def test_keys_whose_secret_has_no_arn_on_record_are_left_to_the_command(stack: Stack, provisioned: str) -> None:
    tenant_id = get(f"/v1/projects/{provisioned}")["tenant"]["tenant_id"]
    unknown = f"UPDATE control_plane.api_key_secrets SET secret_arn = NULL WHERE tenant_id = '{tenant_id}'"
    execute(stack, unknown, "control_plane")
    answer = reveal(provisioned)
    assert (answer.status, answer.body["type"]) == (409, "ProjectNotEligible")
    assert "--reveal" in answer.body["detail"]
    assert len(reveal_api_keys(provisioned)) == 2


@pytest.mark.slow
def test_the_secret_is_gone_when_its_hour_is_over(stack: Stack, provisioned: str) -> None:
    key = uuid.uuid4().hex
    body = reveal(provisioned, key).body
    name = str(secrets.describe(body["secret_arn"])["Name"])  # type: ignore[index]
    tenant_id = get(f"/v1/projects/{provisioned}")["tenant"]["tenant_id"]
    assert tenant_id not in {one.tenant_id for one in find_due(control_plane.connect(), 100)}
    done = jobs.look_again(stack, tenant_id)
    assert (name in done["finished"], name in done["found"]) == (True, False)
    assert secrets.describe(name) is None
    assert reveal(provisioned, key).body == body | {"is_repeated": True, "kept_until": None}


@pytest.mark.slow
def test_a_secret_that_its_reader_has_scheduled_for_deletion_is_removed_too(stack: Stack, provisioned: str) -> None:
    arn = reveal(provisioned).body["secret_arn"]
    secrets_manager.client().delete_secret(SecretId=arn, RecoveryWindowInDays=7)
    hour_is_over(stack, provisioned)
    control = control_plane.connect()
    for one in find_due(control, 100):
        look_again(control, one)
    assert secrets.describe(arn) is None


def test_a_reveal_needs_a_key(provisioned: str) -> None:
    assert ask("POST", f"/v1/projects/{provisioned}/api-keys/reveal").status == 400
    assert {one["revealed_at"] for one in get(f"/v1/projects/{provisioned}/api-keys")["api_keys"]} == {None}


def test_the_audit_log_says_who_has_revealed_keys(provisioned: str) -> None:
    reveal(provisioned)
    with control_plane.connect().connection.cursor() as cursor:
        cursor.execute(
            "SELECT details FROM control_plane.audit_log WHERE action = 'API keys revealed' AND project_id = %s",
            (provisioned,),
        )
        assert cursor.fetchall() == [({"by": "123456789012/AROATEST", "session": "a-session"},)]
