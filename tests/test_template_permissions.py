"""Who may invoke functions, use tenants' and clusters' secrets, and ask about executions."""

import pytest

from tests.grants import FUNCTIONS, RESOURCES, STAGES, granted, of_state_machine, role_of, written

# What each function does with the secrets under the tenants' prefix. Who is not here has no right to them.
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
    "DropDatabaseRole",
}


@pytest.mark.parametrize(
    ("role", "functions"),
    [("ProvisionProjectRole", list(STAGES)), ("DeploymentStepRole", ["MigrateFunction"])],
)
def test_who_invokes_functions_may_invoke_exactly_these(role: str, functions: list[str]) -> None:
    invoked = [on for who, action, on in granted() if (who, action) == (role, "lambda:InvokeFunction")]
    assert invoked == [{"Fn::Sub": f"${{{name}.Arn}}:*"} for name in functions]


def test_nobody_else_may_invoke_a_function() -> None:
    invoking = {who for who, action, _ in granted() if action == "lambda:InvokeFunction"}
    assert invoking == {"ProvisionProjectRole", "DeploymentStepRole"}


def secrets_of(role: str, prefix: str) -> set[str]:
    """What a role may do with the secrets of a prefix."""
    attached = {policy["Ref"] for policy in RESOURCES[role]["Properties"].get("ManagedPolicyArns", [])}
    return {
        action.removeprefix("secretsmanager:")
        for who, action, on in granted()
        if who in attached | {role} and written(on) == f"secret:${{{prefix}}}/*"
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


def test_the_state_machine_may_ask_about_its_own_executions_and_no_others() -> None:
    """The resource of states:DescribeExecution is an execution:
    https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsstepfunctions.html
    """
    asking = [(who, on) for who, action, on in granted() if action.startswith("states:")]
    own = f":execution:{of_state_machine('StateMachineName')['Fn::Sub']}:*"
    assert [(who, on["Fn::Sub"].endswith(own)) for who, on in asking] == [("ProvisionProjectRole", True)]
