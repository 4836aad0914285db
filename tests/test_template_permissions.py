"""Who may invoke functions, use secrets and keys, and ask about executions; every wide grant has its reason."""

import re
from collections.abc import Iterator

import pytest

from provisioning.jobs.declaration import JobType
from provisioning.jobs.registry import DECLARATIONS
from tests import shipped
from tests.grants import FUNCTIONS, STAGES, Grant, attached, granted, role_of, written

# What each function does with the secrets under the tenants' prefix. A function not listed has no right to them.
CREATE = {"CreateSecret", "TagResource"}
READ = {"GetSecretValue"}
DELETE = {"DescribeSecret", "DeleteSecret"}
TENANT_SECRETS = {
    "RefillPoolsRole": CREATE | READ | DELETE,
    "ReconcileRole": READ | DELETE,
    "CreateDatabaseRole": CREATE | READ | DELETE,
    "CreateSchemaRole": READ,
    "RegisterRealtimeRole": READ,
    "RegisterStorageRole": READ,
    "RegisterPoolerRole": READ,
    "GenerateApiKeysRole": CREATE | READ | DELETE,
    "FinalizeRole": READ,
    "RevokeApiKeysRole": DELETE,
    "DropDatabaseRole": DELETE,
    "ExportDatabaseRole": CREATE | READ | DELETE,
    "RemoveExportRole": DELETE,
}
CLUSTER_ADMINS = {
    "RefillPoolsRole",
    "ReconcileRole",
    "CreateDatabaseRole",
    "CreateSchemaRole",
    "FinalizeRole",
    "RevokeApiKeysRole",
    "DeregisterServicesRole",
    "DropDatabaseRole",
    "SuspendAccessRole",
    "RestoreAccessRole",
    "ExportDatabaseRole",
    "RemoveExportRole",
}
SERVICE_TOKENS = {
    "ReconcileRole",
    "RegisterAuthRole",
    "RegisterRealtimeRole",
    "RegisterStorageRole",
    "RegisterPoolerRole",
    "FinalizeRole",
    "DeregisterServicesRole",
    "SuspendServicesRole",
    "ResumeServicesRole",
}
INVOKED = {
    **{f"{shipped.resource_stem(job_type)}Role": shipped.functions_of(job_type) for job_type in DECLARATIONS},
    "DeploymentStepRole": ["MigrateFunction"],
    "ProbePolicy": ["AnswerRequestFunction", "DeliverEventsFunction", *STAGES],
}

# Grants that no statement can narrow, with the reason: action, and the resource that it is allowed on.
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
    ("secretsmanager:BatchGetSecretValue", "*"): "it has no resources: each secret also takes GetSecretValue",
    ("secretsmanager:GetSecretValue", "secret:${ClusterSecretPrefix}/*"): "clusters are added without a deployment",
    ("secretsmanager:CreateSecret", "secret:${TenantSecretPrefix}/*"): "two per tenant, and AWS ends their ARNs itself",
    ("secretsmanager:TagResource", "secret:${TenantSecretPrefix}/*"): "two per tenant",
    ("secretsmanager:DescribeSecret", "secret:${TenantSecretPrefix}/*"): "two per tenant",
    ("secretsmanager:GetSecretValue", "secret:${TenantSecretPrefix}/*"): "two per tenant",
    ("secretsmanager:DeleteSecret", "secret:${TenantSecretPrefix}/*"): "two per tenant",
    ("s3:PutObject", "${ExportsBucket.Arn}/*"): "an export has keys of its own",
    ("s3:GetObject", "${ExportsBucket.Arn}/*"): "an export has keys of its own",
    ("s3:DeleteObject", "${ExportsBucket.Arn}/*"): "an export has keys of its own, and its versions stay",
    ("s3:AbortMultipartUpload", "${ExportsBucket.Arn}/*"): "an export has keys of its own",
    ("secretsmanager:*", "*"): "the endpoint serves the whole VPC, for principals of this account",
    ("events:*", "*"): "the endpoint serves the whole VPC, for principals of this account",
    ("states:*", "*"): "the endpoint serves the whole VPC, for principals of this account",
} | {
    (
        f"states:{operation}Execution",
        f"execution:${{AWS::StackName}}-{job_type.replace('_', '-')}:*",
    ): "any job may have to be stopped or rolled back"
    for operation in ("Describe", "Stop")
    for job_type in DECLARATIONS
}
VERSIONS = re.compile(r"^\$\{\w+(Function\.Arn|StateMachine)\}:\*$")
NETWORK = {action for action, _ in WIDE if action.startswith("ec2:")}


def wide(grants: Iterator[Grant]) -> set[tuple[str, str]]:
    """What is granted on more than one resource, or several actions at once, except for versions of one function or one
    state machine.
    """
    return {
        (action, written(on))
        for who, action, on in grants
        if ("*" in action or "*" in VERSIONS.sub("", written(on))) and who != "EncryptionKey"
    }


@pytest.mark.parametrize(("role", "functions"), INVOKED.items(), ids=INVOKED)
def test_who_invokes_functions_may_invoke_exactly_these(role: str, functions: list[str]) -> None:
    invoked = [on for who, action, on in granted() if (who, action) == (role, "lambda:InvokeFunction")]
    assert invoked == [{"Fn::Sub": f"${{{name}.Arn}}:*"} for name in functions]


def test_nobody_else_may_invoke_a_function() -> None:
    invoking = {who for who, action, _ in granted() if action == "lambda:InvokeFunction"}
    assert invoking == set(INVOKED)


def secrets_of(role: str, prefix: str) -> set[str]:
    """What a role may do with the secrets of a prefix."""
    return {
        action.removeprefix("secretsmanager:")
        for who, action, on in granted()
        if who in {role, *attached(role)} and written(on) == f"secret:${{{prefix}}}/*"
    }


def test_each_function_does_with_tenants_secrets_what_its_work_needs_and_no_more() -> None:
    for name in map(role_of, FUNCTIONS.values()):
        assert secrets_of(name, "TenantSecretPrefix") == TENANT_SECRETS.get(name, set()), name


def test_who_works_on_clusters_reads_their_admins_secrets_and_nobody_else_does() -> None:
    for name in map(role_of, FUNCTIONS.values()):
        assert secrets_of(name, "ClusterSecretPrefix") == (READ if name in CLUSTER_ADMINS else set()), name


def test_who_calls_services_reads_their_tokens_and_nobody_else_does() -> None:
    reading = {who for who, _, on in granted() if on == {"Ref": "ServiceTokensSecretArn"}}
    assert {name for name in map(role_of, FUNCTIONS.values()) if reading & set(attached(name))} == SERVICE_TOKENS


def test_the_parameter_for_parallel_jobs_says_how_many_connections_they_take() -> None:
    description = shipped.template()["Parameters"]["MaximumParallelJobs"]["Description"]
    on_clusters = CLUSTER_ADMINS & {role_of(function) for function in STAGES.values()}
    assert re.findall(r"up to (\d+) times", description) == [str(len(STAGES)), str(len(on_clusters))]


@pytest.mark.parametrize("job_type", DECLARATIONS)
def test_a_state_machine_may_ask_about_its_own_executions_and_no_others(job_type: JobType) -> None:
    """The resource of states:DescribeExecution is an execution:
    https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsstepfunctions.html
    """
    role = f"{shipped.resource_stem(job_type)}Role"
    asking = {who: on for who, action, on in granted() if action == "states:DescribeExecution"}
    assert set(asking) == {f"{shipped.resource_stem(name)}Role" for name in DECLARATIONS} | {"AnswerRequestRole"}
    own = f":execution:{shipped.state_machine(job_type)['StateMachineName']['Fn::Sub']}:*"
    assert asking[role]["Fn::Sub"].endswith(own)


def test_what_is_wide_is_on_the_list_with_its_reason() -> None:
    assert wide(granted()) == set(WIDE)


def test_the_check_sees_a_wildcard_that_is_not_on_the_list() -> None:
    secret = {"Fn::Sub": "arn:${AWS::Partition}:secretsmanager:${AWS::Region}:${AWS::AccountId}:secret:*"}
    grants = [("A", "s3:*", "one"), ("B", "s3:GetObject", "*"), ("C", "secretsmanager:GetSecretValue", secret)]
    assert len(wide(iter(grants)) - set(WIDE)) == len(grants)


def test_only_the_key_itself_is_everything_in_the_keys_policy() -> None:
    for statement in shipped.statements(shipped.made("AWS::KMS::Key")["EncryptionKey"]["KeyPolicy"]):
        assert statement["Resource"] == "*"
        # tests/deployment/test_publishing.py says why EventBridge's has none.
        with_none = statement["Principal"] == {"Service": "events.amazonaws.com"} or set(statement["Principal"]) == {
            "AWS"
        }
        assert ("Condition" in statement) != with_none


def test_no_policy_of_aws_is_attached() -> None:
    own = shipped.made("AWS::IAM::ManagedPolicy")
    for role in shipped.made("AWS::IAM::Role"):
        assert set(attached(role)) <= set(own)


def test_what_lambda_needs_for_its_network_is_denied_to_the_code_in_it() -> None:
    policy = shipped.made("AWS::IAM::ManagedPolicy")["EveryStagePolicy"]["PolicyDocument"]
    (denied,) = (one for one in shipped.statements(policy) if one["Effect"] == "Deny")
    assert set(denied["Action"]) == NETWORK
    assert denied["Condition"] == {"Null": {"lambda:SourceFunctionArn": False}}


@pytest.mark.parametrize("job_type", DECLARATIONS)
def test_the_state_machine_may_use_the_key_only_for_itself(job_type: JobType) -> None:
    role = shipped.made("AWS::IAM::Role")[f"{shipped.resource_stem(job_type)}Role"]
    (policy,) = role["Policies"]
    assert role["ManagedPolicyArns"] == [{"Ref": "EveryStateMachinePolicy"}]
    shared = shipped.made("AWS::IAM::ManagedPolicy")["EveryStateMachinePolicy"]
    uses = [
        one
        for document in (policy["PolicyDocument"], shared["PolicyDocument"])
        for one in shipped.statements(document)
        if "kms:GenerateDataKey" in shipped.listed(one["Action"])
    ]
    contexts = [context for one in uses for context in one["Condition"]["StringEquals"].items()]
    own_arn, logs = (value["Fn::Sub"] for _, value in contexts)
    assert own_arn.endswith(":stateMachine:" + shipped.state_machine(job_type)["StateMachineName"]["Fn::Sub"])
    assert logs.endswith(":${AWS::AccountId}:*")
