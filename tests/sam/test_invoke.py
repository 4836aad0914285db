"""`sam local invoke` for every function, with the sample events, in the order of a job."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from psycopg2 import sql

from local.containers import bridge_gateway
from local.stack import Stack
from local.template import REPOSITORY
from provisioning.jobs.declaration import Declaration
from provisioning.jobs.export_project import EXPORT_PROJECT
from provisioning.jobs.provision_project import PROVISION_PROJECT
from provisioning.jobs.resume_project import RESUME_PROJECT
from provisioning.jobs.suspend_project import SUSPEND_PROJECT
from tests import shipped
from tests.executions.last_look import ADVANCE
from tests.executions.running import execute, invoke
from tests.executions.suspended import problems_of_open
from tests.executions.worlds import look, problems_of_gone, problems_of_provisioned, problems_of_rolled_back
from tests.sam.start_lambda import sam_environment
from tests.stages.tenant_apis import OTHERS_LATER
from tests.upkeep.cloudformation import waiting

EVENTS = REPOSITORY / "events" / "functions"
FORWARD = [shipped.resource_name(shipped.stem(state)) for state in PROVISION_PROJECT.states.values()]
CHANGING = (SUSPEND_PROJECT, RESUME_PROJECT)
"""What is then done to the project, one after the other."""
EXPORTING = ("ExportDatabaseFunction", "RemoveExportFunction")
BACK = ("RevokeApiKeysFunction", "DeregisterServicesFunction", "DropDatabaseFunction", "RecordFailureFunction")


def event(function: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(event_file(function).read_text())
    return document


def event_file(function: str) -> Path:
    stem = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in function)
    return EVENTS / f"{stem[1:].removesuffix('_function')}.json"


def sam_local_invoke(sam: list[str], function: str, file: Path | None = None) -> Any:
    command = [part.format(command="invoke") for part in sam]
    command += [function, "--event", str(file or event_file(function))]
    done = subprocess.run(command, env=sam_environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def invoke_with(sam: list[str], function: str, directory: Path, **members: Any) -> Any:
    """Invoke a function with its sample event, but for some of its members."""
    file = directory / "event.json"
    file.write_text(json.dumps(event(function) | members))
    return sam_local_invoke(sam, function, file)


def invoke_with_tenant(sam: list[str], function: str, tenant_id: str | None, directory: Path) -> Any:
    """Invoke a function with its sample event, which cannot know the tenant that the job was given."""
    return invoke_with(sam, function, directory, **({"tenant_id": tenant_id} if tenant_id is not None else {}))


def test_the_migrations_are_applied_in_the_container(sam: list[str], stack: Stack) -> None:
    assert sam_local_invoke(sam, "MigrateFunction") == {"applied": []}


def test_the_pools_are_refilled_in_the_container(sam: list[str], stack: Stack) -> None:
    assert sam_local_invoke(sam, "RefillPoolsFunction")["busy"] == []


def test_a_deployment_hears_of_the_migrations(sam: list[str], stack: Stack, tmp_path: Path) -> None:
    file = tmp_path / "event.json"
    with waiting(bridge_gateway()) as cloudformation:
        file.write_text(json.dumps(event("DeploymentStepFunction") | {"ResponseURL": cloudformation.url}))
        assert sam_local_invoke(sam, "DeploymentStepFunction", file) is None
        assert [answer["Status"] for answer in cloudformation.answers] == ["SUCCESS"]


def test_what_was_removed_is_looked_for_in_the_container(sam: list[str], stack: Stack) -> None:
    assert sam_local_invoke(sam, "ReconcileFunction")["failed"] == []


def test_events_are_delivered_in_the_container(sam: list[str], stack: Stack) -> None:
    assert sam_local_invoke(sam, "DeliverEventsFunction")["refused"] == {}


def test_the_http_api_answers_in_the_container_with_the_layer_of_its_own(sam: list[str], stack: Stack) -> None:
    answer = sam_local_invoke(sam, "AnswerRequestFunction")
    assert (answer["statusCode"], answer["headers"]["Content-Type"]) == (200, "application/json")
    projects = json.loads(answer["body"])["projects"]
    assert [one["project_id"] for one in projects if one["project_id"] == "demo-project"] == ["demo-project"]


def test_the_stages_provision_the_sample_project_one_by_one(sam: list[str], stack: Stack, tmp_path: Path) -> None:
    answers: dict[str, Any] = {}
    tenant_id = None
    for function in FORWARD:
        answers[function] = invoke_with_tenant(sam, function, tenant_id, tmp_path)
        # As in the state machine, the latest answer counts.
        tenant_id = answers[function].get("tenant_id", tenant_id)
    payload = event("VerifyProjectFunction")["payload"]
    assert answers["FinalizeFunction"]["project_id"] == payload["project_id"]
    assert problems_of_provisioned(look(stack, payload["project_id"]), payload) == []


def functions_between(declared: Declaration) -> list[str]:
    """The functions of a job type that are neither its first nor its last."""
    return [shipped.resource_name(shipped.stem(state)) for state in list(declared.states.values())[1:-1]]


def test_the_stages_suspend_and_resume_that_project_one_by_one(sam: list[str], stack: Stack, tmp_path: Path) -> None:
    """After the test above: the tenant is the one that it has made."""
    provisioned = event("VerifyProjectFunction")["payload"]
    before = look(stack, provisioned["project_id"])
    for declared in CHANGING:
        between = functions_between(declared)
        (job_id,) = {event(function)["job_id"] for function in between}
        job: dict[str, Any] = {"job_type": declared.job_type, "job_id": job_id}
        payload = {"project_id": provisioned["project_id"]}
        opened = invoke_with(sam, "VerifyProjectFunction", tmp_path, payload=payload, **job)
        job["tenant_id"] = opened["tenant_id"]
        for function in between:
            invoke_with(sam, function, tmp_path, **job)
        assert invoke_with(sam, "FinalizeFunction", tmp_path, **job)["project_id"] == provisioned["project_id"]
    assert problems_of_open(look(stack, provisioned["project_id"]), before) == []


def test_pg_dump_runs_in_the_container_with_the_libpq_of_the_functions(
    sam: list[str], stack: Stack, tmp_path: Path
) -> None:
    """After the tests above: the tenant is theirs, and active again."""
    function, undoing = EXPORTING
    job: dict[str, Any] = {"job_type": EXPORT_PROJECT.job_type, "job_id": event(function)["job_id"]}
    payload = {"project_id": event("VerifyProjectFunction")["payload"]["project_id"]}
    job["tenant_id"] = invoke_with(sam, "VerifyProjectFunction", tmp_path, payload=payload, **job)["tenant_id"]
    made = invoke_with(sam, function, tmp_path, **job)
    dump = stack.client("s3").get_object(Bucket=made["bucket"], Key=made["dump"])["Body"].read()
    assert dump.startswith(b"PGDMP")
    assert len(dump) == made["bytes"]
    assert sorted(invoke_with(sam, undoing, tmp_path, **job)["removed"]) == [
        f"object {made[name]}" for name in ("dump", "manifest")
    ]


@pytest.fixture
def failed_job(stack: Stack) -> tuple[str, str]:
    """The project and the tenant of a job whose every stage but the last has done its work, in the stack's process."""
    closing_event = event("RecordFailureFunction")
    payload = closing_event["payload"]
    values = sql.SQL(", ").join(map(sql.Literal, (payload["project_id"], "org-test", "user-test", payload["region"])))
    insert = "INSERT INTO control_plane.projects (project_id, organization_id, owner_id, region) VALUES ({})"
    execute(stack, sql.SQL(insert).format(values), "control_plane")
    started = {key: closing_event[key] for key in ("job_type", "job_id", "execution_arn", "payload")}
    for function in ("VerifyProject", "CreateDatabase", "CreateSchema", "RegisterAuth", "GenerateApiKeys"):
        answer, failed = invoke(stack, f"{function}Function", started)
        assert not failed, answer
        started |= {"tenant_id": answer.get("tenant_id", started.get("tenant_id"))}
    return str(payload["project_id"]), str(started["tenant_id"])


def test_the_compensations_leave_nothing_of_a_failed_job(
    sam: list[str], stack: Stack, failed_job: tuple[str, str], tmp_path: Path
) -> None:
    project_id, tenant_id = failed_job
    answers = {function: invoke_with_tenant(sam, function, tenant_id, tmp_path) for function in BACK}
    assert [len(answers[function]["removed"]) for function in BACK[:3]] == [3, 1, 4]
    recorded = answers["RecordFailureFunction"]
    assert (recorded["outcome"], recorded["error"]) == ("rolled_back", "FinalizationFailed")
    assert problems_of_rolled_back(look(stack, project_id)) == []
    # Those of earlier tests come due by themselves, after a minute.
    execute(stack, OTHERS_LATER, "control_plane")
    execute(stack, ADVANCE.format(project=sql.Literal(project_id)), "control_plane")
    assert sam_local_invoke(sam, "ReconcileFunction")["finished"] == [tenant_id]
    assert problems_of_gone(look(stack, project_id)) == []


def test_every_function_has_a_sample_event_that_is_used_here() -> None:
    others = {
        *("MigrateFunction", "DeploymentStepFunction", "RefillPoolsFunction", "ReconcileFunction"),
        *("RecordStoppedExecutionsFunction", "RemoveOldVersionsFunction", "AnswerRequestFunction"),
        "DeliverEventsFunction",
    }
    changing = [function for declared in CHANGING for function in functions_between(declared)]
    assert set(shipped.functions()) == {*others, *FORWARD, *changing, *EXPORTING, *BACK}
    assert {path.name for path in EVENTS.iterdir()} == {event_file(function).name for function in shipped.functions()}
