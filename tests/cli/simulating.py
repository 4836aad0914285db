"""A deployment, its stack in an account of moto's, and IAM's simulator, which says what it was asked."""

from typing import Any

import boto3

from cli import permissions
from cli.deployment import Deployment, Function, StateMachine
from cli.findings import Finding
from cli.permissions import examine_permissions
from cli.template_permissions import Allowed
from provisioning.control_plane import Cluster
from provisioning.jobs.registry import DECLARATIONS
from tests import shipped

ACCOUNT = "us-east-1:123456789012"
SECRET = f"arn:aws:secretsmanager:{ACCOUNT}:secret"
KEY = f"arn:aws:kms:{ACCOUNT}:key"
READ = "secretsmanager:GetSecretValue"
SETTINGS = {
    "STACK_NAME": "provisioner",
    "CONTROL_PLANE_SECRET_ID": f"{SECRET}:control-plane-Abc123",
    "SERVICE_TOKENS_SECRET_ID": f"{SECRET}:tokens-Abc123",
    "REALTIME_DATABASE_SECRET_ID": f"{SECRET}:realtime-Abc123",
    "TENANT_SECRET_PREFIX": "tenants",
    "TENANT_SECRET_KMS_KEY_ID": "own",
    "EXPORTS_BUCKET": "exports",
    "REALTIME_SERVICE_ADAPTER": "supabase-realtime",
    "STORAGE_SERVICE_ADAPTER": "supabase-storage",
    "POOLER_SERVICE_ADAPTER": "supavisor",
}
CLUSTER = Cluster("one", "us-east-1", "postgresql", "18", "small", "db", 5432, f"{SECRET}:elsewhere/one-Abc123", 10)
THROUGH_SECRETS_MANAGER = {"kms:ViaService": "secretsmanager.us-east-1.amazonaws.com"}


def role_of(name: str) -> str:
    return f"arn:aws:iam::123456789012:role/{name.removesuffix('Function')}Role"


def function(name: str, handler: str) -> Function:
    return Function(f"arn:aws:lambda:{ACCOUNT}:function:{name}:7", handler, role_of(name), SETTINGS)


FUNCTIONS = {
    name: function(name, found["Handler"])
    for name, found in shipped.functions().items()
    if found["Handler"].startswith("stages.")
}
DEPLOYMENT = Deployment(
    f"arn:aws:states:{ACCOUNT}:stateMachine:provisioner-provision-project",
    tuple(StateMachine(job_type, f"arn:aws:iam::123456789012:role/{job_type}", {}) for job_type in DECLARATIONS),
    tuple(FUNCTIONS.values()),
)


OUTSIDE = {name: shipped.functions()[name]["Handler"] for name in permissions.OUTSIDE}
"""The handlers of functions that no state machine invokes, whose roles are examined too."""


API_ROLE = role_of("AnswerRequestFunction")


class Simulator:
    """IAM behind boto3's own client: what it was asked, and what it refuses."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.refused: dict[tuple[str, str], str] = {}
        self.client = boto3.client("iam", region_name="us-east-1")
        self.client.meta.events.register("provide-client-params.iam.SimulatePrincipalPolicy", self._record)
        self.client.meta.events.register("before-call.iam.SimulatePrincipalPolicy", self._answer)

    def _record(self, params: dict[str, Any], **_: object) -> None:
        self.asked.append(params)

    def _answer(self, **_: object) -> tuple[Any, dict[str, Any]]:
        request = self.asked[-1]
        (resource,) = request["ResourceArns"]
        results = [
            {
                "EvalActionName": action,
                # As AWS documents it: the form of such ARNs, not the one in the request.
                "EvalResourceName": "arn:${Partition}:any:::${Name}",
                "EvalDecision": self.refused.get((action, resource), "allowed"),
            }
            for action in request["ActionNames"]
        ]
        return type("Answer", (), {"status_code": 200})(), {"EvaluationResults": results, "IsTruncated": False}


def deploy(**parameters: str) -> None:
    """Make a stack in the account that has these parameters, and of its functions those OUTSIDE."""
    resources: dict[str, Any] = {}
    for name, handler in OUTSIDE.items():
        called = {"RoleName": role_of(name).rpartition("/")[2], "AssumeRolePolicyDocument": {}}
        resources[f"{name}Role"] = {"Type": "AWS::IAM::Role", "Properties": called}
        properties = {
            "Handler": handler,
            "Role": {"Fn::GetAtt": [f"{name}Role", "Arn"]},
            "Runtime": "python3.13",
            "Code": {"ZipFile": "pass"},
        }
        resources[name] = {"Type": "AWS::Lambda::Function", "Properties": properties}
    template = {"Parameters": {name: {"Type": "String"} for name in parameters}, "Resources": resources}
    boto3.client("cloudformation").create_stack(
        StackName=SETTINGS["STACK_NAME"],
        TemplateBody=str(template).replace("'", '"'),
        Parameters=[{"ParameterKey": name, "ParameterValue": value} for name, value in parameters.items()],
    )


def examine(simulator: Simulator, deployment: Deployment = DEPLOYMENT) -> dict[str, Finding]:
    return {found.subject: found for found in examine_permissions(simulator.client, deployment, [CLUSTER])}


def pairs(rights: list[Any]) -> set[tuple[str, str]]:
    return {
        (action, arn) for one in rights if isinstance(one, Allowed) for action in one.actions for arn in one.resources
    }
