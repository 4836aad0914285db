import re
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import pytest

from tests import shipped

# What IAM cannot narrow to a resource, and why.
UNNAMEABLE = {
    "xray:PutTraceSegments": "X-Ray has no resources",
    "xray:PutTelemetryRecords": "X-Ray has no resources",
    "xray:GetSamplingRules": "X-Ray has no resources",
    "xray:GetSamplingTargets": "X-Ray has no resources",
    "logs:CreateLogDelivery": "log deliveries have no resources",
    "logs:GetLogDelivery": "log deliveries have no resources",
    "logs:UpdateLogDelivery": "log deliveries have no resources",
    "logs:DeleteLogDelivery": "log deliveries have no resources",
    "logs:ListLogDeliveries": "log deliveries have no resources",
    "logs:PutResourcePolicy": "log resource policies belong to the account",
    "logs:DescribeResourcePolicies": "log resource policies belong to the account",
    "logs:DescribeLogGroups": "it lists",
    "ec2:CreateNetworkInterface": "Lambda makes it before it has an ARN",
    "ec2:DescribeNetworkInterfaces": "it lists",
    "ec2:DescribeSubnets": "it lists",
    "ec2:DeleteNetworkInterface": "Lambda made it and its ARN is not known here",
    "ec2:AssignPrivateIpAddresses": "Lambda made it and its ARN is not known here",
    "ec2:UnassignPrivateIpAddresses": "Lambda made it and its ARN is not known here",
}
FUNCTIONS = shipped.functions()
ROLES = shipped.resources("AWS::IAM::Role")
POLICIES = shipped.resources("AWS::IAM::ManagedPolicy")
STAGES = {name: found for name, found in FUNCTIONS.items() if found["Handler"].startswith("stages.")}


def role_of(function: dict[str, Any]) -> str:
    name, attribute = function["Role"]["Fn::GetAtt"]
    assert attribute == "Arn"
    return str(name)


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def statements(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for statement in listed(document["Statement"]):
        yield statement["Fn::If"][1] if "Fn::If" in statement else statement


def granted() -> Iterator[tuple[str, str, Any]]:
    """Who, what and on what: every action that is allowed to anyone."""
    documents = [(name, found["PolicyDocument"]) for name, found in POLICIES.items()]
    for name, role in ROLES.items():
        documents += [(name, policy["PolicyDocument"]) for policy in role.get("Policies", [])]
    for name, document in documents:
        for statement in statements(document):
            if statement["Effect"] == "Allow":
                for action in listed(statement["Action"]):
                    for resource in listed(statement["Resource"]):
                        yield name, action, resource


def test_states_functions_and_substitutions_share_one_stem() -> None:
    expected = {shipped.resource_name(shipped.stem(name)): name for name in shipped.tasks()}
    substitutions = shipped.state_machine()["DefinitionSubstitutions"]
    assert set(STAGES) == set(expected)
    assert substitutions == {f"{name}Arn": {"Fn::GetAtt": [name, "Arn"]} for name in expected}
    for name, state in expected.items():
        assert shipped.tasks()[state]["Parameters"]["FunctionName"] == f"${{{name}Arn}}"
        assert STAGES[name]["Handler"].rpartition(".")[2] == shipped.stem(state)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_handler_can_be_imported_and_called(name: str) -> None:
    module, _, function = FUNCTIONS[name]["Handler"].rpartition(".")
    assert callable(getattr(import_module(module), function))


def test_functions_differ_by_handler_and_not_by_environment_or_code() -> None:
    for properties in FUNCTIONS.values():
        assert set(properties) <= {"Description", "Handler", "Role", "Timeout"}


def test_each_function_has_a_role_of_its_own() -> None:
    for name, properties in FUNCTIONS.items():
        assert role_of(properties) == name.removesuffix("Function") + "Role"
    assert len({role_of(properties) for properties in FUNCTIONS.values()}) == len(FUNCTIONS)


def test_only_what_cannot_be_named_is_allowed_on_everything() -> None:
    unnamed = {action for _, action, resource in granted() if resource == "*"}
    assert unnamed == set(UNNAMEABLE)


def test_no_action_is_a_pattern_and_no_aws_policy_is_attached() -> None:
    assert [grant for grant in granted() if "*" in grant[1]] == []
    for role in ROLES.values():
        assert all(set(policy) == {"Ref"} and policy["Ref"] in POLICIES for policy in role.get("ManagedPolicyArns", []))


def test_the_only_patterns_of_resources_are_the_prefixes_of_secrets() -> None:
    patterns = {
        resource["Fn::Sub"] for _, _, resource in granted() if isinstance(resource, dict) and "Fn::Sub" in resource
    }
    secrets = "arn:${AWS::Partition}:secretsmanager:${AWS::Region}:${AWS::AccountId}:secret:"
    assert patterns == {secrets + "${TenantSecretPrefix}/*", secrets + "${ClusterSecretPrefix}/*"}


def test_what_lambda_needs_for_its_network_is_denied_to_the_code_in_it() -> None:
    (denied,) = (one for one in statements(POLICIES["EveryStagePolicy"]["PolicyDocument"]) if one["Effect"] == "Deny")
    network = {action for action in UNNAMEABLE if action.startswith("ec2:")}
    assert set(denied["Action"]) == network
    assert denied["Condition"] == {"Null": {"lambda:SourceFunctionArn": False}}


def test_the_state_machine_may_invoke_its_functions_and_no_other() -> None:
    role = role_of(shipped.state_machine())
    invoked = [
        resource["Fn::GetAtt"]
        for who, action, resource in granted()
        if (who, action) == (role, "lambda:InvokeFunction")
    ]
    assert sorted(invoked) == sorted([name, "Arn"] for name in STAGES)
    assert {who for who, action, _ in granted() if action == "lambda:InvokeFunction"} == {role}


def test_executions_are_traced_and_logged_without_their_data() -> None:
    machine = shipped.state_machine()
    assert machine["Type"] == "STANDARD"
    assert machine["Tracing"] == {"Enabled": True}
    assert (machine["Logging"]["Level"], machine["Logging"]["IncludeExecutionData"]) == ("ALL", False)
    assert machine["DefinitionUri"] == str(shipped.DEFINITION.relative_to(shipped.ROOT))


def test_logs_are_encrypted_and_end() -> None:
    for group in shipped.resources("AWS::Logs::LogGroup").values():
        assert group["KmsKeyId"] == {"Fn::GetAtt": ["EncryptionKey", "Arn"]}
        assert group["RetentionInDays"] == {"Ref": "LogRetentionDays"}


def test_every_parameter_is_described_and_bounded() -> None:
    for name, parameter in shipped.template()["Parameters"].items():
        assert parameter["Description"].endswith("."), name
        assert {"AllowedPattern", "AllowedValues", "MaxValue"} & set(parameter), name
        if "AllowedPattern" in parameter and "Default" in parameter:
            assert re.search(parameter["AllowedPattern"], parameter["Default"]), name
