"""Every AWS call of every job type is allowed by its role, has a route, and every right is used or has its reason."""

import json
import os
import re
from fnmatch import fnmatchcase
from typing import Any

import pytest

from local.stack import Stack
from provisioning.jobs.declaration import JobType
from provisioning.jobs.provision_project import PROVISION_PROJECT
from provisioning.jobs.registry import DECLARATIONS
from provisioning.needs import PROBE
from tests import shipped
from tests.aws_calls import Call, Request, recorded, requests
from tests.conftest import NewProject
from tests.executions.running import HANDLERS, SERVICES, execute, payload_for
from tests.executions.stage_faults import STAGES, Fault, failing
from tests.grants import FUNCTIONS, RESOURCES, attached, documents, role_of

pytestmark = pytest.mark.slow

OF_AWS = {
    **dict.fromkeys(["logs:CreateLogStream", "logs:PutLogEvents"], "Lambda writes the log in the role's name"),
    **dict.fromkeys(["xray:PutTraceSegments", "xray:PutTelemetryRecords"], "Lambda's X-Ray daemon sends the traces"),
    **dict.fromkeys(
        [
            *("ec2:CreateNetworkInterface", "ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets"),
            *("ec2:DeleteNetworkInterface", "ec2:AssignPrivateIpAddresses", "ec2:UnassignPrivateIpAddresses"),
        ],
        "Lambda makes the network interfaces in the role's name",
    ),
    "sqs:SendMessage": "Lambda puts an event that failed into the queue",
}
OPERATORS_KEY = "SecretsKmsKeyArn"
"""The key of the operator's own secrets, where they have one: Secrets Manager asks for Decrypt in the role's name."""

TENANT_SECRETS = "arn:aws:secretsmanager:us-east-1:123456789012:secret:provisioner/tenants/*"
LATE = "an attempt that resumes after its job was rolled back removes what it made (test_late_secrets.py)"
UNUSED = {
    **{
        (function, *right): "only under a condition: where the adapter takes credentials"
        for function in (
            *("RegisterRealtimeFunction", "RegisterStorageFunction", "RegisterPoolerFunction"),
            "ReconcileFunction",
        )
        for right in (("secretsmanager:GetSecretValue", TENANT_SECRETS), ("kms:Decrypt", "key"))
    },
    **{
        (function, f"secretsmanager:{operation}", TENANT_SECRETS): LATE
        for function in ("CreateDatabaseFunction", "GenerateApiKeysFunction")
        for operation in ("DescribeSecret", "DeleteSecret")
    },
    (
        "ReconcileFunction",
        "secretsmanager:DeleteSecret",
        TENANT_SECRETS,
    ): "what a rollback left (test_reconcile.py)",
    **{
        ("RefillPoolsFunction", f"secretsmanager:{operation}", TENANT_SECRETS): "tenants of the pool (test_pool.py)"
        for operation in ("DescribeSecret", "DeleteSecret")
    },
    (
        "RegisterRealtimeFunction",
        "secretsmanager:GetSecretValue",
        "RealtimeDatabaseSecretArn",
    ): "a login of its own that only the adapter supabase-realtime needs",
}
"""Rights, by function, action and resource, that no recorded call used, with the reasons. Not those of OF_AWS."""

OBJECTS = "${ExportsBucket.Arn}/*"
UNUSED |= {
    (
        "ExportDatabaseFunction",
        "s3:GetObject",
        OBJECTS,
    ): "an answer to an upload that was lost (test_failed_exports.py)",
    **{
        (function, f"s3:{operation}", OBJECTS): "what a killed attempt left (test_killed_exports.py)"
        for function in ("ExportDatabaseFunction", "RemoveExportFunction", "ReconcileFunction")
        for operation in ("DeleteObject", "AbortMultipartUpload")
    },
    **{
        (function, "secretsmanager:DeleteSecret", TENANT_SECRETS): "what a killed attempt left (test_killed_exports.py)"
        for function in ("ExportDatabaseFunction", "RemoveExportFunction")
    },
}

ELSEWHERE = {
    "DeploymentStepFunction": "tests/upkeep/test_deployment_step.py and test_new_versions.py run it",
    "RemoveOldVersionsFunction": "tests/test_old_versions.py runs it",
    "AnswerRequestFunction": "tests/api/test_calls_of_aws.py runs it",
}
"""Functions that no laptop stack runs, and where their calls are tested."""

ACCOUNT = "us-east-1:123456789012"
MACHINES = [f"{shipped.resource_stem(name)}Role" for name in DECLARATIONS]


def payload_of(job_type: JobType, project: str) -> dict[str, Any]:
    return payload_for(project, *SERVICES) if job_type == PROVISION_PROJECT.job_type else {"project_id": project}


@pytest.fixture(scope="module")
def calls(stack: Stack, new_project: NewProject) -> set[Call]:
    """The calls of jobs of every type that succeed, from nothing and from the pool, that are rolled back, and whose
    rollback is asked for again; of upkeep; and of probes.
    """
    found: set[Call] = set()
    # A warm environment has read some secrets before.
    for idle in stack.runtime._idle.values():
        while idle:
            idle.pop().retire()
    with recorded(found):
        for _ in range(2):
            project = new_project()
            for job_type in DECLARATIONS:
                succeed(stack, job_type, project)
            stack.runtime.invoke("RefillPoolsFunction", "{}")
        for job_type in DECLARATIONS:
            project = new_project()
            for earlier in list(DECLARATIONS)[: list(DECLARATIONS).index(job_type)]:
                succeed(stack, earlier, project)
            with failing(stack, STAGES["finalizing"], Fault.UNREACHED):
                ended = stack.run(payload_of(job_type, project), job_type=job_type)
            assert ended["status"] == "FAILED"
            again = stack.run({"rolls_back": ended["name"]}, job_type=job_type)
            assert again["status"] == "FAILED"
        for name, path in HANDLERS.items():
            if path.startswith("stages.") or name == "DeliverEventsFunction":
                stack.runtime.invoke(name, json.dumps(PROBE))
        make_last_looks_due(stack)
        for name in ("MigrateFunction", "ReconcileFunction"):
            stack.runtime.invoke(name, "{}")
    return found


def succeed(stack: Stack, job_type: JobType, project: str) -> None:
    assert stack.run(payload_of(job_type, project), job_type=job_type)["status"] == "SUCCEEDED"


def make_last_looks_due(stack: Stack) -> None:
    due = "UPDATE control_plane.tenants SET look_again_at = now() WHERE look_again_at IS NOT NULL"
    execute(stack, due, "control_plane")
    execute(stack, due.replace("tenants", "exports"), "control_plane")


def text(value: Any) -> str:
    """A resource of a policy, with the laptop's values, as a pattern."""
    known = {
        "ControlPlaneSecretArn": os.environ["CONTROL_PLANE_SECRET_ID"],
        "ServiceTokensSecretArn": os.environ["SERVICE_TOKENS_SECRET_ID"],
        "AWS::Partition": "aws",
        "AWS::Region": "us-east-1",
        "AWS::AccountId": "123456789012",
        "AWS::StackName": "laptop",
        "ClusterSecretPrefix": "provisioner/clusters",
        "TenantSecretPrefix": os.environ["TENANT_SECRET_PREFIX"],
    }
    match value:
        case {"Ref": str(name)}:
            return known.get(name, name)
        case {"Fn::GetAtt": ["EncryptionKey", "Arn"]}:
            return "key"
        case {"Fn::GetAtt": [str(name), str(attribute)]}:
            return f"{name}.{attribute}"
        case {"Fn::Sub": str(pattern)}:
            filled = re.sub(r"\$\{(\w+)\.Arn\}:\*", rf"arn:aws:lambda:{ACCOUNT}:function:\1", pattern)
            return re.sub(r"\$\{([\w:]+)\}", lambda found: known.get(found[1], found[0]), filled)
    return str(value)


def rights(role: str) -> set[tuple[str, str]]:
    """What a role allows: actions, and the resources of each."""
    policies = attached(role)
    policies += [name for name, one in RESOURCES.items() if {"Ref": role} in one["Properties"].get("Roles", [])]
    return {
        (action, text(on))
        for name in (role, *policies)
        for document in documents(RESOURCES[name])
        for statement in shipped.statements(document)
        if statement["Effect"] == "Allow" and "Resource" in statement
        for action in shipped.listed(statement["Action"])
        for on in shipped.listed(statement["Resource"])
    }


def roles_of(who: str) -> list[str]:
    return MACHINES if who == "state machine" else [role_of(FUNCTIONS[who])]


def granting(request: Request) -> set[tuple[str, str]]:
    """The rights that allow what a call asks for."""
    on = request.on
    if request.action.startswith("secretsmanager:") and on != "*" and not on.startswith("arn:"):
        on = f"arn:aws:secretsmanager:{ACCOUNT}:secret:{on}"
    if request.action.startswith("events:"):
        on = f"arn:aws:events:{ACCOUNT}:event-bus/{on}"
    return {
        (action, pattern)
        for role in roles_of(request.who)
        for action, pattern in rights(role)
        if fnmatchcase(request.action, action) and fnmatchcase(on, pattern)
    }


def test_the_roles_allow_every_call_of_every_job_type(calls: set[Call]) -> None:
    refused = {request for call in calls for request in requests(call) if not granting(request)}
    assert refused == set()


def test_the_recorded_calls_are_those_of_every_function(calls: set[Call]) -> None:
    assert {call.who for call in calls} == (FUNCTIONS.keys() | {"state machine"}) - ELSEWHERE.keys()
    assert {call.operation for call in calls if call.who == "state machine"} == {"Invoke", "DescribeExecution"}


def test_no_right_is_unused_without_a_reason(calls: set[Call]) -> None:
    used = {(call.who, right) for call in calls for one in requests(call) for right in granting(one)}
    unused = {
        (name, *right)
        for name in FUNCTIONS.keys() - ELSEWHERE.keys()
        for right in rights(role_of(FUNCTIONS[name]))
        if (name, right) not in used and right[0] not in OF_AWS and right[1] != OPERATORS_KEY
    }
    # What is in the pool from before may use some of these.
    assert unused <= set(UNUSED)
    assert {(name, *right) for name in FUNCTIONS for right in rights(role_of(FUNCTIONS[name]))} >= set(UNUSED)


def test_every_service_that_a_function_calls_has_a_way_to_it(calls: set[Call]) -> None:
    """A VPC without a route to the internet reaches AWS by endpoints: https://docs.aws.amazon.com/vpc/latest/privatelink/
    A function outside the VPC reaches all of AWS.
    """
    services = {one["ServiceName"]["Fn::Sub"] for one in shipped.made("AWS::EC2::VPCEndpoint").values()}
    reached = {name.rpartition(".")[2] for name in services}
    made = shipped.made("AWS::Lambda::Function")
    inside = {name for name in FUNCTIONS if made[name]["VpcConfig"] != {"Ref": "AWS::NoValue"}}
    # S3 is reached by a gateway endpoint of the operator's, or by NAT (test_exports_bucket.py).
    assert {call.service for call in calls if call.who in inside} - {"s3"} == {"secretsmanager", "events"} <= reached
