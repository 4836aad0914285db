"""Which role may do what is asked of IAM's own simulator; what its answers mean is told here."""

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.stub import ANY, Stubber

from cli.deployment import Deployment, Function
from cli.findings import Finding
from cli.permissions import NEEDS, READ, examine_permissions
from provisioning.control_plane import Cluster
from tests import shipped

SECRET = "arn:aws:secretsmanager:us-east-1:123456789012:secret"
SETTINGS = {
    "CONTROL_PLANE_SECRET_ID": f"{SECRET}:control-plane-Abc123",
    "SERVICE_TOKENS_SECRET_ID": f"{SECRET}:tokens-Abc123",
    "TENANT_SECRET_PREFIX": "tenants",
}
CLUSTER = Cluster("one", "us-east-1", "postgresql", "18", "small", "db", 5432, f"{SECRET}:clusters/one-Abc123", 10)
CREATE = Function(
    "arn:aws:lambda:us-east-1:123456789012:function:create:1",
    "stages.database.create_database",
    "arn:aws:iam::123456789012:role/create",
    SETTINGS,
)
DEPLOYMENT = Deployment(
    "arn:aws:states:us-east-1:123456789012:stateMachine:m", "arn:aws:iam::123456789012:role/machine", (CREATE,)
)
# Policy of the template → kind of secret.
POLICIES = {
    "ReadClusterSecretsPolicy": "clusters",
    "ReadServiceTokensPolicy": "service tokens",
    "CreateTenantSecretsPolicy": "tenants",
    "ReadTenantSecretsPolicy": "tenants",
    "DeleteTenantSecretsPolicy": "tenants",
    "ReadRealtimeDatabaseSecret": "Realtime's login",
    "ReadSecretsInOneRequest": "any secret",
}


@pytest.fixture
def iam() -> Iterator[Any]:
    client = boto3.client("iam", region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="b")
    with Stubber(client) as stubber:
        yield client, stubber


def answering(stubber: Stubber, *decisions: str) -> None:
    for decision in decisions:
        result = {"EvalActionName": "x:Y", "EvalDecision": decision}
        expected = {"PolicySourceArn": ANY, "ActionNames": ANY, "ResourceArns": ANY}
        stubber.add_response("simulate_principal_policy", {"EvaluationResults": [result]}, expected)


def examine(client: Any) -> list[Finding]:
    return list(examine_permissions(client, DEPLOYMENT, [CLUSTER]))


def test_roles_that_may_do_everything_are_fine(iam: Any) -> None:
    client, stubber = iam
    answering(stubber, *["allowed"] * 9)
    machine, function = examine(client)
    assert not machine.remedy
    assert machine.fact == "may do all 2 things that its code does"
    assert function.fact == "may do all 7 things that its code does"


def test_what_a_role_may_not_do_is_named_with_the_resource(iam: Any) -> None:
    client, stubber = iam
    answering(stubber, "implicitDeny", "implicitDeny", "allowed", "explicitDeny", *["allowed"] * 5)
    machine, function = examine(client)
    asked = "states:DescribeExecution on arn:aws:states:us-east-1:123456789012:execution:m:any"
    assert machine.fact == f"{DEPLOYMENT.role} may not lambda:InvokeFunction on {CREATE.arn}, nor {asked}"
    assert function.fact == f"{CREATE.role} may not {READ} on {CLUSTER.admin_secret_id}"


def test_a_simulator_that_may_not_be_asked_is_no_verdict(iam: Any) -> None:
    client, stubber = iam
    stubber.add_client_error("simulate_principal_policy", "AccessDenied")
    (found,) = examine(client)
    assert not found.checked
    assert not found.remedy


def test_what_is_asked_is_what_the_template_grants() -> None:
    policies = {name: found["PolicyDocument"] for name, found in shipped.resources("AWS::IAM::ManagedPolicy").items()}
    roles = shipped.resources("AWS::IAM::Role")
    granted: dict[str, dict[str, set[str]]] = {}
    for name, function in shipped.functions().items():
        if function["Handler"].startswith("stages."):
            secrets = granted.setdefault(function["Handler"], {})
            role = roles[name.removesuffix("Function") + "Role"]
            attached = {policy["Ref"]: policies[policy["Ref"]] for policy in role["ManagedPolicyArns"]}
            inline = role.get("Policies", [])
            if isinstance(inline, dict):
                _, inline, _ = inline["Fn::If"]
            attached |= {policy["PolicyName"]: policy["PolicyDocument"] for policy in inline}
            for policy in set(attached) & set(POLICIES):
                first = shipped.listed(attached[policy]["Statement"])[0]["Action"]
                secrets.setdefault(POLICIES[policy], set()).update(shipped.listed(first))
    assert granted == {handler: {kind: set(asked) for kind, asked in needs.items()} for handler, needs in NEEDS.items()}
