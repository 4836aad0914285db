"""The roles of functions that no state machine invokes, as the HTTP API's, are examined as those of the stages."""

import pytest

from provisioning.jobs.registry import DECLARATIONS, state_machine_of
from tests.cli.simulating import (
    ACCOUNT,
    API_ROLE,
    CLUSTER,
    DEPLOYMENT,
    OUTSIDE,
    READ,
    SECRET,
    SETTINGS,
    Simulator,
    deploy,
    examine,
    role_of,
)


def test_the_role_of_the_http_api_is_asked_about_every_machine_and_its_executions(simulator: Simulator) -> None:
    deploy(SecretsKmsKeyArn="")
    stack = f"arn:aws:states:{ACCOUNT}"
    machines = {state_machine_of(DEPLOYMENT.state_machine_arn, job_type) for job_type in DECLARATIONS}
    executions = {f"{stack}:execution:{arn.split(':')[6]}:any" for arn in machines}
    examine(simulator)
    asked = [one for one in simulator.asked if one["PolicySourceArn"] == API_ROLE]
    pairs = {(action, arn) for one in asked for action in one["ActionNames"] for arn in one["ResourceArns"]}
    assert {arn for action, arn in pairs if action == "states:StartExecution"} == {f"{arn}:live" for arn in machines}
    for action in ("states:DescribeExecution", "states:StopExecution"):
        assert {arn for one, arn in pairs if one == action} == executions
    assert (READ, SETTINGS["CONTROL_PLANE_SECRET_ID"]) in pairs
    contexts = [one["ContextEntries"] for one in asked if "kms:GenerateDataKey" in one["ActionNames"]]
    assert {context["ContextKeyValues"][0] for (context,) in contexts} == machines
    assert all(len(context["ContextKeyValues"]) == 1 for (context,) in contexts)


def test_what_the_http_api_may_not_do_is_named(simulator: Simulator) -> None:
    deploy(SecretsKmsKeyArn="")
    asked = f"arn:aws:states:{ACCOUNT}:execution:provisioner-export-project:any"
    simulator.refused = {("states:StopExecution", asked): "implicitDeny"}
    found = examine(simulator)["role of answer_request"]
    assert (found.fact, bool(found.remedy)) == (f"{API_ROLE} may not states:StopExecution on {asked}", True)


@pytest.mark.parametrize(
    ("function", "action", "resource"),
    [
        ("RefillPoolsFunction", "secretsmanager:CreateSecret", f"{SECRET}:tenants/any"),
        ("RefillPoolsFunction", READ, CLUSTER.admin_secret_id),
        ("ReconcileFunction", "secretsmanager:DeleteSecret", f"{SECRET}:tenants/any"),
        ("ReconcileFunction", READ, CLUSTER.admin_secret_id),
        ("MigrateFunction", READ, SETTINGS["CONTROL_PLANE_SECRET_ID"]),
    ],
)
def test_what_upkeep_may_not_do_is_named(simulator: Simulator, function: str, action: str, resource: str) -> None:
    deploy(SecretsKmsKeyArn="")
    simulator.refused = {(action, resource): "explicitDeny"}
    found = examine(simulator)[f"role of {OUTSIDE[function].rpartition('.')[2]}"]
    assert (found.fact, bool(found.remedy)) == (f"{role_of(function)} may not {action} on {resource}", True)


def test_a_stack_that_may_not_be_read_keeps_no_other_role_from_its_turn(simulator: Simulator) -> None:
    found = examine(simulator)
    for name, called in (("AnswerRequestFunction", "the HTTP API"), ("ReconcileFunction", "Reconcile")):
        one = found[f"role of {called}"]
        assert (one.fact, one.checked) == (f"not checked, {name} cannot be read (ClientError)", False)
    assert found["role of finalize"].fact.startswith("may do all ")
