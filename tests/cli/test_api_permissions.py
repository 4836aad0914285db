"""The role of the HTTP API's function, which no state machine invokes, is examined as those of the stages."""

from provisioning.jobs.registry import DECLARATIONS, state_machine_of
from tests.cli.simulating import ACCOUNT, API_ROLE, DEPLOYMENT, READ, SETTINGS, Simulator, deploy, examine


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


def test_a_stack_that_may_not_be_read_keeps_no_other_role_from_its_turn(simulator: Simulator) -> None:
    found = examine(simulator)
    api = found["role of the HTTP API"]
    assert (api.fact, api.checked) == ("not checked, AnswerRequestFunction cannot be read (ClientError)", False)
    assert found["role of finalize"].fact.startswith("may do all ")
