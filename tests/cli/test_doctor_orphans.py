"""provision doctor finds what only one side has: databases, roles, register rows, secrets and registrations."""

import shlex
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from moto.secretsmanager.models import FakeSecret, secretsmanager_backends
from psycopg2 import sql

from cli import doctor, doctor_registrations, doctor_secrets
from cli.findings import Finding
from local.aws import ACCOUNT
from local.aws_client import REGION
from local.stack import Stack
from provisioning import configuration
from provisioning.cluster.session import REGISTER
from provisioning.identity import TenantNames, new_tenant_id
from provisioning.services import adapter_for
from provisioning.stage import Service
from tests.cli.examining import changed_cluster, changed_registered, changed_tenant, pooled
from tests.cli.mending import mend
from tests.executions.rolling_back import roll_back_again
from tests.executions.running import Ran, execute, payload_for, replaced, run
from tests.executions.stage_faults import STAGES, Fault, failing, named

pytestmark = pytest.mark.slow
BEFORE = "2026-01-01"


def found(text: str) -> list[Finding]:
    """What is to be corrected and names this."""
    return [one for one in doctor.examine() if one.remedy and text in one.fact]


def control_plane(stack: Stack, statement: str, *values: object) -> list[tuple[Any, ...]]:
    composed = sql.SQL(statement).format(*map(sql.Literal, values))
    return execute(stack, composed, "control_plane")


@pytest.fixture
def ran(stack: Stack, project_id: str) -> Ran:
    """A job that has provisioned a project with the auth service, long ago."""
    done = run(stack, payload_for(project_id, "auth"))
    assert done.status == "SUCCEEDED"
    control_plane(stack, "UPDATE control_plane.tenants SET created_at = {} WHERE project_id = {}", BEFORE, project_id)
    aged = "UPDATE control_plane.api_key_secrets SET created_at = {} WHERE job_id = {}"
    control_plane(stack, aged, BEFORE, done.job_id)
    return done


@pytest.mark.parametrize("both", [True, False])
def test_roles_without_a_database_and_a_tenant_are_dropped_by_what_is_printed(stack: Stack, both: bool) -> None:
    with pooled(stack) as tenant_id:
        ((creator,),) = execute(
            stack,
            sql.SQL(
                "SELECT member::regrole::text FROM pg_auth_members WHERE roleid = {}::regrole AND admin_option"
            ).format(sql.Literal(TenantNames(tenant_id).owner_role)),
        )
    names = TenantNames(new_tenant_id())
    roles = [names.owner_role, *([names.login_role] if both else [])]
    for role in roles:
        make = sql.SQL("SET ROLE {}; CREATE ROLE {}").format(*map(sql.Identifier, (creator, role)))
        execute(stack, make)
    (told,) = found(names.tenant_id)
    assert set(roles) <= set(told.fact.split())
    mend(stack, told)
    assert found(names.tenant_id) == []


def test_a_row_that_only_the_register_has_is_deleted_by_what_is_printed(stack: Stack) -> None:
    tenant_id, ((identity,),) = (
        new_tenant_id(),
        control_plane(stack, "SELECT control_plane_id FROM control_plane.identity"),
    )
    added = sql.SQL("INSERT INTO register.tenants (tenant_id, control_plane_id) VALUES ({}, {})")
    execute(stack, added.format(sql.Literal(tenant_id), sql.Literal(identity)), REGISTER)
    (told,) = found(tenant_id)
    assert told.fact == f"tenant {tenant_id} (no job of control plane {identity}) is only in the register"
    mend(stack, told)
    assert found(tenant_id) == []


def test_what_the_register_gives_to_a_job_is_left_to_the_rollback_of_that_job(stack: Stack) -> None:
    with (
        pooled(stack) as tenant_id,
        changed_tenant(stack, tenant_id, tenant_id=new_tenant_id()),
        changed_registered(stack, tenant_id, job_id="job-lost"),
    ):
        (told,) = found(tenant_id)
    assert told.remedy.startswith("provision rollback job-lost removes it unless that job succeeded")


def test_a_tenant_that_no_compensation_has_reached_is_removed_by_what_is_printed(stack: Stack, project_id: str) -> None:
    def unreachable(handler: Any, event: Any, context: Any) -> Any:
        raise named("Lambda.Unknown")

    with failing(stack, STAGES["finalizing"], Fault.ERROR), replaced(stack, "DropDatabaseFunction", unreachable):
        ran = run(stack, payload_for(project_id))
    ((tenant_id,),) = control_plane(
        stack, "SELECT tenant_id FROM control_plane.tenants WHERE project_id = {}", project_id
    )
    (told,) = [one for one in found(tenant_id) if "is left of job" in one.fact]
    assert told.remedy == f"provision rollback {ran.job_id}"
    assert roll_back_again(stack.client("stepfunctions"), stack.state_machine_arn, told.remedy.split()[-1]).clean
    assert [one for one in found(tenant_id) if "is left of job" in one.fact] == []


def test_a_live_tenant_whose_credentials_are_gone(stack: Stack, ran: Ran) -> None:
    name, secrets = TenantNames(ran.output["tenant_id"]).secret, stack.client("secretsmanager")
    value = secrets.get_secret_value(SecretId=name)["SecretString"]
    secrets.delete_secret(SecretId=name, ForceDeleteWithoutRecovery=True)
    (told,) = found(ran.output["tenant_id"])
    assert told.fact.endswith("is active, but has no secret with its credentials")
    assert told.remedy == "see A lost secret in docs/operations.md"
    with changed_tenant(stack, ran.output["tenant_id"], created_at=datetime.now(UTC)):
        assert found(ran.output["tenant_id"]) == [], "the list may not know it yet"
    secrets.create_secret(Name=name, SecretString=value, Tags=tags_of(ran.output["tenant_id"]))
    assert found(ran.output["tenant_id"]) == []


def test_a_secret_whose_deletion_is_scheduled_is_restored_by_the_printed_command(stack: Stack, ran: Ran) -> None:
    name = TenantNames(ran.output["tenant_id"]).secret
    stack.client("secretsmanager").delete_secret(SecretId=name, RecoveryWindowInDays=7)
    (told,) = found(ran.output["tenant_id"])
    sent(stack, told)
    assert found(ran.output["tenant_id"]) == []


def test_the_raw_keys_that_nobody_has_seen_and_nobody_can(stack: Stack, ran: Ran) -> None:
    name = TenantNames(ran.output["tenant_id"]).api_keys_secret(ran.job_id)
    stack.client("secretsmanager").delete_secret(SecretId=name, ForceDeleteWithoutRecovery=True)
    (told,) = found(ran.output["tenant_id"])
    assert told.fact.endswith("is active, but has no secret with its API keys")
    control_plane(stack, "UPDATE control_plane.api_key_secrets SET revealed_at = now() WHERE job_id = {}", ran.job_id)
    assert found(ran.output["tenant_id"]) == []


@pytest.fixture
def orphan(stack: Stack) -> Iterator[str]:
    """The id of a tenant of which a secret exists, and nothing else."""
    tenant_id = new_tenant_id()
    name, content = TenantNames(tenant_id).secret, '{"password": "hunter22"}'
    stack.client("secretsmanager").create_secret(Name=name, SecretString=content, Tags=tags_of(tenant_id))
    yield tenant_id
    stack.client("secretsmanager").delete_secret(SecretId=name, ForceDeleteWithoutRecovery=True)


def tags_of(tenant_id: str) -> list[Any]:
    """The tags with which this stack makes a tenant's secrets."""
    stack_name = configuration.optional("STACK_NAME", "local")
    return [{"Key": "tenant_id", "Value": tenant_id}, {"Key": "stack", "Value": stack_name}]


def age(tenant_id: str) -> None:
    """Make a secret an hour old, which no request can."""
    kept = secretsmanager_backends[ACCOUNT][REGION].secrets[TenantNames(tenant_id).secret]
    assert isinstance(kept, FakeSecret)
    kept.created_date = int(time.time() - timedelta(hours=1).total_seconds())


def test_a_secret_of_no_tenant_is_deleted_by_the_printed_command(stack: Stack, orphan: str) -> None:
    assert found(orphan) == [], "it was created just now: its row may not be visible yet"
    age(orphan)
    (told,) = found(orphan)
    assert "hunter22" not in str(told)
    sent(stack, told)
    assert found(orphan) == []


def test_a_secret_of_no_tenant_that_a_cluster_may_still_have_is_not_to_be_deleted(stack: Stack, orphan: str) -> None:
    age(orphan)
    with changed_cluster(stack, port=1):
        (told,) = found(orphan)
    assert told.remedy == "see Restore in docs/operations.md"


def test_a_secret_of_another_stack_is_not_ours_to_judge(stack: Stack, orphan: str) -> None:
    age(orphan)
    tags = [{"Key": "stack", "Value": "another"}]
    stack.client("secretsmanager").tag_resource(SecretId=TenantNames(orphan).secret, Tags=tags)
    assert found(orphan) == []


def test_a_live_tenant_that_a_service_has_forgotten(stack: Stack, ran: Ran) -> None:
    assert adapter_for(Service.AUTH).deregister(ran.output["tenant_id"])
    (told,) = found(ran.output["tenant_id"])
    assert (told.subject, told.fact) == ("service auth", f"tenant {ran.output['tenant_id']} is not registered there")
    assert told.remedy == "see A lost registration in docs/operations.md"


def test_services_that_answer_too_slowly_leave_the_rest_unchecked(
    stack: Stack, ran: Ran, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor_registrations, "SECONDS", 0.0)
    told = [one.fact for one in doctor.examine() if one.subject == "service auth" and not one.checked]
    (known,) = [fact for fact in told if not fact.endswith(" unknown tenants")]
    assert known.startswith("did not answer about ")


def test_only_so_many_secrets_are_described_one_by_one(
    stack: Stack, ran: Ran, orphan: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    age(orphan)
    monkeypatch.setattr(doctor_secrets, "DESCRIBED_AT_MOST", 0)
    (told,) = [one for one in doctor.examine() if one.subject == "secrets" and not one.checked]
    assert told.fact.endswith(" more differ between the list and the control plane")


def sent(stack: Stack, told: Finding) -> None:
    """Send an AWS command as it is printed."""
    program, service, operation, *options = shlex.split(told.remedy)
    assert (program, service) == ("aws", "secretsmanager")
    named = dict(zip(options[::2], options[1::2], strict=True))
    arguments = {"".join(word.capitalize() for word in name.strip("-").split("-")): named[name] for name in named}
    values = {name: int(value) if value.isdigit() else value for name, value in arguments.items()}
    getattr(stack.client("secretsmanager"), operation.replace("-", "_"))(**values)
