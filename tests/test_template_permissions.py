"""Who may invoke functions, use tenants' and clusters' secrets, and ask about executions."""

import re

import pytest

from provisioning.jobs.declaration import JobType
from provisioning.jobs.registry import DECLARATIONS
from tests import shipped
from tests.grants import FUNCTIONS, RESOURCES, STAGES, granted, role_of, written

# What each function does with the secrets under the tenants' prefix. A function not listed has no right to them.
CREATE = {"CreateSecret", "TagResource", "DescribeSecret"}
READ = {"GetSecretValue"}
DELETE = {"DescribeSecret", "DeleteSecret"}
TENANT_SECRETS = {
    "RefillPoolsRole": CREATE | READ | DELETE,
    "ReconcileRole": DELETE,
    "CreateDatabaseRole": CREATE | READ | DELETE,
    "CreateSchemaRole": READ,
    "RegisterRealtimeRole": READ,
    "RegisterStorageRole": READ,
    "RegisterPoolerRole": READ,
    "GenerateApiKeysRole": CREATE | READ | DELETE,
    "FinalizeRole": READ,
    "RevokeApiKeysRole": DELETE,
    "DropDatabaseRole": DELETE,
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
}


@pytest.mark.parametrize(("role", "functions"), INVOKED.items(), ids=INVOKED)
def test_who_invokes_functions_may_invoke_exactly_these(role: str, functions: list[str]) -> None:
    invoked = [on for who, action, on in granted() if (who, action) == (role, "lambda:InvokeFunction")]
    assert invoked == [{"Fn::Sub": f"${{{name}.Arn}}:*"} for name in functions]


def test_nobody_else_may_invoke_a_function() -> None:
    invoking = {who for who, action, _ in granted() if action == "lambda:InvokeFunction"}
    assert invoking == set(INVOKED)


def attached(role: str) -> set[str]:
    """The role and its managed policies."""
    return {role} | {policy["Ref"] for policy in RESOURCES[role]["Properties"].get("ManagedPolicyArns", [])}


def secrets_of(role: str, prefix: str) -> set[str]:
    """What a role may do with the secrets of a prefix."""
    return {
        action.removeprefix("secretsmanager:")
        for who, action, on in granted()
        if who in attached(role) and written(on) == f"secret:${{{prefix}}}/*"
    }


def test_each_function_does_with_tenants_secrets_what_its_work_needs_and_no_more() -> None:
    for name in map(role_of, FUNCTIONS.values()):
        assert secrets_of(name, "TenantSecretPrefix") == TENANT_SECRETS.get(name, set()), name


def test_the_endpoint_lets_through_what_has_no_resources_to_name() -> None:
    """An endpoint's policy on ARNs of secrets refuses an action that AWS evaluates on "*".

    https://docs.aws.amazon.com/service-authorization/latest/reference/list_awssecretsmanager.html
    """
    wide = {
        action
        for who, action, on in granted()
        if on == "*" and action.startswith("secretsmanager:") and who != "SecretsManagerEndpoint"
    }
    let_through = {action for who, action, on in granted() if (who, on) == ("SecretsManagerEndpoint", "*")}
    assert wide == let_through == {"secretsmanager:BatchGetSecretValue"}


def test_who_works_on_clusters_reads_their_admins_secrets_and_nobody_else_does() -> None:
    for name in map(role_of, FUNCTIONS.values()):
        assert secrets_of(name, "ClusterSecretPrefix") == (READ if name in CLUSTER_ADMINS else set()), name


def test_who_calls_services_reads_their_tokens_and_nobody_else_does() -> None:
    reading = {who for who, _, on in granted() if on == {"Ref": "ServiceTokensSecretArn"}}
    assert {name for name in map(role_of, FUNCTIONS.values()) if attached(name) & reading} == SERVICE_TOKENS


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
    asking = {who: on for who, action, on in granted() if action.startswith("states:")}
    assert set(asking) == {f"{shipped.resource_stem(name)}Role" for name in DECLARATIONS}
    own = f":execution:{shipped.state_machine(job_type)['StateMachineName']['Fn::Sub']}:*"
    assert asking[role]["Fn::Sub"].endswith(own)
