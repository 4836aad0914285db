import inspect
import json
import re
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import pytest

from provisioning import observability
from tests import shipped

# What no statement can name more narrowly, and why: action, and the resource that it is allowed on.
WIDE = {
    ("xray:PutTraceSegments", "*"): "X-Ray has no resources",
    ("xray:PutTelemetryRecords", "*"): "X-Ray has no resources",
    ("xray:GetSamplingRules", "*"): "X-Ray has no resources",
    ("xray:GetSamplingTargets", "*"): "X-Ray has no resources",
    ("logs:CreateLogDelivery", "*"): "log deliveries have no resources",
    ("logs:GetLogDelivery", "*"): "log deliveries have no resources",
    ("logs:UpdateLogDelivery", "*"): "log deliveries have no resources",
    ("logs:DeleteLogDelivery", "*"): "log deliveries have no resources",
    ("logs:ListLogDeliveries", "*"): "log deliveries have no resources",
    ("logs:PutResourcePolicy", "*"): "log resource policies belong to the account",
    ("logs:DescribeResourcePolicies", "*"): "log resource policies belong to the account",
    ("logs:DescribeLogGroups", "*"): "it lists",
    ("ec2:CreateNetworkInterface", "*"): "Lambda makes it before it has an ARN",
    ("ec2:DescribeNetworkInterfaces", "*"): "it lists",
    ("ec2:DescribeSubnets", "*"): "it lists",
    ("ec2:DeleteNetworkInterface", "*"): "Lambda made it and its ARN is not known here",
    ("ec2:AssignPrivateIpAddresses", "*"): "Lambda made it and its ARN is not known here",
    ("ec2:UnassignPrivateIpAddresses", "*"): "Lambda made it and its ARN is not known here",
    ("secretsmanager:GetSecretValue", "secret:${ClusterSecretPrefix}/*"): "clusters are added without a deployment",
    ("secretsmanager:CreateSecret", "secret:${TenantSecretPrefix}/*"): "one per project, and AWS ends its ARN itself",
    ("secretsmanager:TagResource", "secret:${TenantSecretPrefix}/*"): "one per project",
    ("secretsmanager:DescribeSecret", "secret:${TenantSecretPrefix}/*"): "one per project",
    ("secretsmanager:GetSecretValue", "secret:${TenantSecretPrefix}/*"): "one per project",
    ("secretsmanager:PutSecretValue", "secret:${TenantSecretPrefix}/*"): "one per project",
    ("secretsmanager:DeleteSecret", "secret:${TenantSecretPrefix}/*"): "one per project",
    ("secretsmanager:*", "secret:*"): "the endpoint serves the whole VPC, for this account's secrets and principals",
    ("kms:Decrypt", "key/*"): "the endpoint serves the whole VPC, for this account's keys and principals",
    ("kms:GenerateDataKey", "key/*"): "the endpoint serves the whole VPC, for this account's keys and principals",
}
EXTRA = {
    "MigrateAtDeployFunction": {"VpcConfig", "DeadLetterQueue"},
    "RefillPoolsFunction": {"ReservedConcurrentExecutions", "DeadLetterQueue", "EventInvokeConfig", "Events"},
}
NETWORK = {action for action, _ in WIDE if action.startswith("ec2:")}
FUNCTIONS = shipped.functions()
RESOURCES = shipped.transformed()["Resources"]
STAGES = {name: found for name, found in FUNCTIONS.items() if found["Handler"].startswith("stages.")}

Grant = tuple[str, str, Any]


def of_type(kind: str) -> dict[str, dict[str, Any]]:
    """The properties of the transformed resources of a type."""
    return {name: found["Properties"] for name, found in RESOURCES.items() if found["Type"] == kind}


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def documents(value: Any) -> Iterator[dict[str, Any]]:
    """Every policy in a resource, wherever it stands."""
    if isinstance(value, dict):
        if "Statement" in value:
            yield value
        for inner in value.values():
            yield from documents(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from documents(inner)


def statements(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for statement in listed(document["Statement"]):
        yield from statement["Fn::If"][1:2] if "Fn::If" in statement else [statement]


def granted() -> Iterator[Grant]:
    """Who, what and on what: everything that is allowed to anyone. What trusts a role to be assumed has no resource."""
    for name, resource in RESOURCES.items():
        for document in documents(resource):
            for statement in statements(document):
                if statement["Effect"] == "Allow" and "Resource" in statement:
                    for action in listed(statement["Action"]):
                        yield from ((name, action, on) for on in listed(statement["Resource"]))


def written(resource: Any) -> str:
    """The text of a resource, without the head that all ARNs of this account share."""
    text = resource.get("Fn::Sub", "") if isinstance(resource, dict) else resource
    return re.sub(r"^arn:\$\{AWS::Partition\}:\w+:\$\{AWS::Region\}:\$\{AWS::AccountId\}:", "", text)


def wide(grants: Iterator[Grant]) -> set[tuple[str, str]]:
    """What is granted on more than one thing, or more than one action at once, but for versions of one function."""
    return {
        (action, written(on))
        for who, action, on in grants
        if ("*" in action or "*" in written(on)) and who != "EncryptionKey" and action != "lambda:InvokeFunction"
    }


def role_of(function: dict[str, Any]) -> str:
    name, attribute = function["Role"]["Fn::GetAtt"]
    assert attribute == "Arn"
    return str(name)


def test_states_functions_and_substitutions_share_one_stem() -> None:
    expected = {shipped.resource_name(shipped.stem(name)): name for name in shipped.tasks()}
    substitutions = shipped.state_machine()["DefinitionSubstitutions"]
    assert set(STAGES) == set(expected)
    assert substitutions == {f"{name}Arn": {"Ref": f"{name}.Version"} for name in expected}
    for name, state in expected.items():
        assert shipped.tasks()[state]["Parameters"]["FunctionName"] == f"${{{name}Arn}}"
        assert STAGES[name]["Handler"].rpartition(".")[2] == shipped.stem(state)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_handler_can_be_imported_and_called(name: str) -> None:
    module, _, function = FUNCTIONS[name]["Handler"].rpartition(".")
    assert callable(getattr(import_module(module), function))


def test_functions_differ_by_handler_and_not_by_environment_or_code() -> None:
    own = {"Description", "Handler", "Role", "Timeout"}
    # SAM takes these only from each function itself.
    same = ("CodeSigningConfigArn", "VersionDescription")
    for name, properties in FUNCTIONS.items():
        assert [properties[key] for key in same] == [FUNCTIONS["FinalizeFunction"][key] for key in same]
        extra = set(properties) - own - set(same)
        assert extra == EXTRA.get(name, set())


def test_each_function_has_a_role_of_its_own() -> None:
    for name, properties in FUNCTIONS.items():
        assert role_of(properties) == name.removesuffix("Function") + "Role"
    assert len({role_of(properties) for properties in FUNCTIONS.values()}) == len(FUNCTIONS)


def test_what_is_wide_is_on_the_list_with_its_reason() -> None:
    assert wide(granted()) == set(WIDE)


def test_the_check_sees_a_wildcard_that_is_not_on_the_list() -> None:
    secret = {"Fn::Sub": "arn:${AWS::Partition}:secretsmanager:${AWS::Region}:${AWS::AccountId}:secret:*"}
    grants = [("A", "s3:*", "one"), ("B", "s3:GetObject", "*"), ("C", "secretsmanager:GetSecretValue", secret)]
    assert len(wide(iter(grants)) - set(WIDE)) == len(grants)


def test_only_the_key_itself_is_everything_in_the_keys_policy() -> None:
    for statement in statements(of_type("AWS::KMS::Key")["EncryptionKey"]["KeyPolicy"]):
        assert statement["Resource"] == "*"
        assert "Condition" in statement or statement["Principal"].keys() == {"AWS"}


def test_no_policy_of_aws_is_attached() -> None:
    own = of_type("AWS::IAM::ManagedPolicy")
    for role in of_type("AWS::IAM::Role").values():
        assert all(set(policy) == {"Ref"} and policy["Ref"] in own for policy in role.get("ManagedPolicyArns", []))


def test_what_lambda_needs_for_its_network_is_denied_to_the_code_in_it() -> None:
    policy = of_type("AWS::IAM::ManagedPolicy")["EveryStagePolicy"]["PolicyDocument"]
    (denied,) = (one for one in statements(policy) if one["Effect"] == "Deny")
    assert set(denied["Action"]) == NETWORK
    assert denied["Condition"] == {"Null": {"lambda:SourceFunctionArn": False}}


@pytest.mark.parametrize(
    ("role", "functions"),
    [("ProvisionProjectRole", list(STAGES)), ("MigrateAtDeployRole", ["MigrateFunction"])],
)
def test_who_invokes_functions_may_invoke_exactly_these(role: str, functions: list[str]) -> None:
    invoked = [on for who, action, on in granted() if (who, action) == (role, "lambda:InvokeFunction")]
    assert invoked == [{"Fn::Sub": f"${{{name}.Arn}}:*"} for name in functions]


def test_nobody_else_may_invoke_a_function() -> None:
    invoking = {who for who, action, _ in granted() if action == "lambda:InvokeFunction"}
    assert invoking == {"ProvisionProjectRole", "MigrateAtDeployRole"}


def test_executions_are_traced_encrypted_and_logged_without_their_data() -> None:
    machine = shipped.state_machine()
    assert machine["StateMachineType"] == "STANDARD"
    assert machine["TracingConfiguration"] == {"Enabled": True}
    assert machine["EncryptionConfiguration"]["KmsKeyId"] == {"Fn::GetAtt": ["EncryptionKey", "Arn"]}
    logging = machine["LoggingConfiguration"]
    assert (logging["Level"], logging["IncludeExecutionData"]) == ("ALL", False)
    assert machine["DefinitionS3Location"] == str(shipped.DEFINITION.relative_to(shipped.ROOT))


def test_the_state_machine_may_use_the_key_for_itself_alone() -> None:
    (policy,) = of_type("AWS::IAM::Role")["ProvisionProjectRole"]["Policies"]
    uses = [one for one in statements(policy["PolicyDocument"]) if "kms:GenerateDataKey" in listed(one["Action"])]
    contexts = [context for one in uses for context in one["Condition"]["StringEquals"].items()]
    own_arn, logs = (value["Fn::Sub"] for _, value in contexts)
    assert own_arn.endswith(":stateMachine:" + of_state_machine("StateMachineName")["Fn::Sub"])
    assert logs.endswith(":${AWS::AccountId}:*")


def of_state_machine(name: str) -> Any:
    return shipped.state_machine()[name]


def test_logs_are_encrypted_and_end() -> None:
    for group in of_type("AWS::Logs::LogGroup").values():
        assert group["KmsKeyId"] == {"Fn::GetAtt": ["EncryptionKey", "Arn"]}
        assert group["RetentionInDays"] == {"Ref": "LogRetentionDays"}


def test_every_function_is_traced_bounded_and_in_the_network_of_its_database() -> None:
    for name, function in of_type("AWS::Lambda::Function").items():
        assert function["TracingConfig"] == {"Mode": "Active"}
        at_once = 1 if name == "RefillPoolsFunction" else {"Ref": "MaximumParallelJobs"}
        assert function["ReservedConcurrentExecutions"] == at_once
        outside = name == "MigrateAtDeployFunction"
        inside = {
            "SubnetIds": {"Ref": "PrivateSubnetIds"},
            "SecurityGroupIds": [{"Ref": "FunctionSecurityGroup"}],
        }
        assert function["VpcConfig"] == ({"Ref": "AWS::NoValue"} if outside else inside)


def test_the_functions_reach_databases_services_and_endpoints_and_nothing_else() -> None:
    (inline,) = (found for name, found in of_type("AWS::EC2::SecurityGroup").items() if name.startswith("Function"))
    (endpoints,) = of_type("AWS::EC2::SecurityGroupEgress").values()
    targets = [(rule.get("CidrIp") or rule["DestinationSecurityGroupId"]) for rule in inline["SecurityGroupEgress"]]
    assert targets == [{"Ref": "DatabaseSecurityGroupId"}, {"Ref": "ServicesCidr"}]
    assert (endpoints["FromPort"], endpoints["ToPort"]) == (443, 443)
    assert "SecurityGroupIngress" not in inline


def test_no_stage_gets_new_code_before_the_migrations_have_run() -> None:
    migration = RESOURCES["ControlPlaneMigration"]["Properties"]
    assert migration["ServiceToken"] == {"Fn::GetAtt": ["MigrateAtDeployFunction", "Arn"]}
    for name in (*STAGES, "RefillPoolsFunction"):
        assert RESOURCES[name]["DependsOn"] == "ControlPlaneMigration"
    for name in ("MigrateFunction", "MigrateAtDeployFunction"):
        assert "DependsOn" not in RESOURCES[name]


def test_the_migrations_run_again_whenever_the_code_changes() -> None:
    version = RESOURCES["ControlPlaneMigration"]["Properties"]["MigrateFunction"]["Ref"]
    assert RESOURCES[version]["Properties"]["FunctionName"] == {"Ref": "MigrateFunction"}


def test_a_new_revision_publishes_new_versions_even_when_only_parameters_changed() -> None:
    versions = of_type("AWS::Lambda::Version")
    assert len(versions) == len(FUNCTIONS)
    # The description makes CloudFormation publish, and a changed variable is what Lambda publishes.
    assert all(version["Description"] == {"Ref": "Revision"} for version in versions.values())
    variables = shipped.template()["Globals"]["Function"]["Environment"]["Variables"]
    assert variables["REVISION"] == {"Ref": "Revision"}


def test_traffic_shifts_to_a_new_version_and_back_when_the_alarms_go_off() -> None:
    alias = of_type("AWS::StepFunctions::StateMachineAlias")["ProvisionProjectAlias"]["DeploymentPreference"]
    assert alias["StateMachineVersionArn"] == {"Ref": "ProvisionProjectVersion"}
    assert (alias["Type"], alias["Percentage"]) == ("CANARY", 10)
    assert alias["Alarms"] == [{"Ref": "FailedExecutionsAlarm"}, {"Ref": "RollbackIncompleteAlarm"}]
    version = RESOURCES["ProvisionProjectVersion"]
    assert (version["DeletionPolicy"], version["UpdateReplacePolicy"]) == ("Retain", "Retain")


def test_the_key_outlives_the_stack() -> None:
    key = RESOURCES["EncryptionKey"]
    assert (key["DeletionPolicy"], key["UpdateReplacePolicy"]) == ("RetainExceptOnCreate", "Retain")
    assert key["Properties"]["EnableKeyRotation"] is True


def test_every_alarm_notifies_somebody() -> None:
    for alarm in of_type("AWS::CloudWatch::Alarm").values():
        assert alarm["AlarmActions"] == [{"Ref": "Notifications"}]


def test_every_alarm_is_on_the_dashboard() -> None:
    body = RESOURCES["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"]
    assert set(re.findall(r"\$\{(\w+)\.Arn\}", body)) == set(of_type("AWS::CloudWatch::Alarm"))


def test_every_metric_of_ours_that_an_alarm_or_the_dashboard_reads_is_one_that_is_written() -> None:
    read = {
        alarm["MetricName"]
        for alarm in of_type("AWS::CloudWatch::Alarm").values()
        if alarm.get("Namespace") == "Provisioner"
    }
    body = RESOURCES["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"]
    read |= set(re.findall(r'\["Provisioner", "(\w+)"', body)) | set(re.findall(r'MetricName=\\"(\w+)\\"', body))
    written = re.findall(r'add_metric\(name="(\w+)"', inspect.getsource(observability))
    assert read == set(written)


def test_errors_throttles_and_concurrency_of_every_stage_are_on_the_dashboard() -> None:
    widgets = json.loads(RESOURCES["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"])["widgets"]
    for metric in ("ConcurrentExecutions", "Errors", "Throttles"):
        shown = [one["properties"]["metrics"] for one in widgets if metric in str(one["properties"].get("metrics"))]
        assert [[row[-1] for row in rows] for rows in shown] == [[f"${{{name}}}" for name in STAGES]]


def test_what_happens_asynchronously_has_somewhere_to_go_when_it_fails() -> None:
    queue = {"Fn::GetAtt": ["Undelivered", "Arn"]}
    for rule in of_type("AWS::Events::Rule").values():
        assert [target["DeadLetterConfig"] for target in rule["Targets"]] == [{"Arn": queue}]
    (policy,) = of_type("AWS::SQS::QueuePolicy").values()
    ((statement),) = statements(policy["PolicyDocument"])
    senders = statement["Condition"]["ArnEquals"]["aws:SourceArn"]
    assert sorted(sender["Fn::GetAtt"][0] for sender in senders) == sorted(of_type("AWS::Events::Rule"))
    for name in ("MigrateAtDeployFunction", "RefillPoolsFunction"):
        assert of_type("AWS::Lambda::Function")[name]["DeadLetterConfig"] == {"TargetArn": queue}


def test_pools_are_refilled_regularly_and_after_every_job() -> None:
    rules = [rule for rule in of_type("AWS::Events::Rule").values() if "RefillPools" in str(rule["Targets"])]
    assert [rule.get("ScheduleExpression") for rule in rules if "EventPattern" not in rule] == ["rate(5 minutes)"]
    (nudge,) = (rule["EventPattern"]["detail"] for rule in rules if "EventPattern" in rule)
    assert nudge["stateMachineArn"] == [{"Ref": "ProvisionProjectStateMachine"}]
    assert set(nudge["status"]) == {"SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED"}


def test_every_parameter_is_described_and_bounded() -> None:
    for name, parameter in shipped.template()["Parameters"].items():
        assert parameter["Description"].endswith("."), name
        assert {"AllowedPattern", "AllowedValues", "MaxValue"} & set(parameter), name
        if "AllowedPattern" in parameter and "Default" in parameter:
            assert re.search(parameter["AllowedPattern"], parameter["Default"]), name
