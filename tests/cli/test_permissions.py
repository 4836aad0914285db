"""The requests to IAM's simulator for each role are what template.yaml grants it; the meaning of its answers."""

from dataclasses import replace
from typing import Any

import pytest

from cli.template_permissions import Grants, Untold
from provisioning.jobs.registry import DECLARATIONS
from tests import shipped
from tests.cli.simulating import (
    ACCOUNT,
    CLUSTER,
    DEPLOYMENT,
    FUNCTIONS,
    KEY,
    OUTSIDE,
    READ,
    SECRET,
    SETTINGS,
    THROUGH_SECRETS_MANAGER,
    Simulator,
    deploy,
    examine,
    function,
    pairs,
    role_of,
)


def test_every_role_is_examined_and_those_that_may_do_everything_are_fine(simulator: Simulator) -> None:
    deploy(SecretsKmsKeyArn=f"{KEY}/theirs")
    found = examine(simulator)
    assert len(found) == len(DECLARATIONS) + len(FUNCTIONS) + len(OUTSIDE)
    assert all(one.checked and not one.remedy for one in found.values())
    assert found["role of verify_project"].fact == "may do all 12 things that the template grants it"
    roles = {machine.role for machine in DEPLOYMENT.machines} | {one.role for one in DEPLOYMENT.functions}
    assert {one["PolicySourceArn"] for one in simulator.asked} == roles | set(map(role_of, OUTSIDE))


def test_what_a_role_may_not_do_is_named_with_the_resource(simulator: Simulator) -> None:
    create = FUNCTIONS["CreateDatabaseFunction"]
    asked = f"arn:aws:states:{ACCOUNT}:execution:provisioner-provision-project:any"
    simulator.refused = {
        ("lambda:InvokeFunction", create.arn): "implicitDeny",
        ("states:DescribeExecution", asked): "implicitDeny",
        (READ, CLUSTER.admin_secret_id): "explicitDeny",
    }
    found = examine(simulator)
    machine, function = found["role of provision_project's state machine"], found["role of create_database"]
    refused = f"lambda:InvokeFunction on {create.arn}, nor states:DescribeExecution on {asked}"
    assert machine.fact == f"{DEPLOYMENT.machines[0].role} may not {refused}"
    assert function.fact == f"{create.role} may not {READ} on {CLUSTER.admin_secret_id}"
    assert machine.remedy == function.remedy != ""


def test_the_request_to_the_simulator_meets_the_condition(simulator: Simulator) -> None:
    examine(simulator)
    role = FUNCTIONS["CreateDatabaseFunction"].role
    (context,) = [
        one["ContextEntries"]
        for one in simulator.asked
        if (one["PolicySourceArn"], one["ActionNames"]) == (role, ["kms:GenerateDataKey", "kms:Decrypt"])
    ]
    ((key, value),) = THROUGH_SECRETS_MANAGER.items()
    assert context == [{"ContextKeyName": key, "ContextKeyValues": [value], "ContextKeyType": "string"}]


def test_a_simulator_that_may_not_be_asked_is_no_verdict(simulator: Simulator) -> None:
    def denied(**_: object) -> tuple[Any, dict[str, Any]]:
        return type("Answer", (), {"status_code": 403})(), {"Error": {"Code": "AccessDenied", "Message": "no"}}

    deploy(SecretsKmsKeyArn="")
    simulator.client.meta.events.register_first("before-call.iam.SimulatePrincipalPolicy", denied)
    (found,) = examine(simulator).values()
    assert not found.checked
    assert not found.remedy


def test_what_cannot_be_filled_in_is_named_instead_of_left_out(simulator: Simulator) -> None:
    found = examine(simulator)["permissions"]
    assert not found.checked
    assert found.fact == "not checked where the template names SecretsKmsKeyArn: the value is unknown"


def test_a_function_that_the_template_lacks_keeps_no_other_from_its_turn(simulator: Simulator) -> None:
    old = function("OldFunction", "stages.old.work")
    found = examine(simulator, replace(DEPLOYMENT, functions=(old, *DEPLOYMENT.functions)))
    assert not found["role of work"].checked
    assert found["role of finalize"].fact.startswith("may do all ")


def test_every_right_of_every_function_can_be_filled_in(account: None) -> None:
    deploy(SecretsKmsKeyArn=f"{KEY}/theirs")
    grants = Grants(DEPLOYMENT, [CLUSTER.admin_secret_id])
    for handler in [*(one.handler for one in FUNCTIONS.values()), *OUTSIDE.values()]:
        rights = grants.of_function(handler)
        assert [right for right in rights if isinstance(right, Untold)] == []
        assert all("$" not in arn and (arn == "*" or "*" not in arn) for _, arn in pairs(rights))
        assert ("kms:Decrypt", f"{KEY}/theirs") in pairs(rights)


def test_a_state_machine_is_asked_for_each_of_its_functions_as_it_is_deployed(account: None) -> None:
    grants = Grants(DEPLOYMENT, [])
    for job_type in DECLARATIONS:
        rights = pairs(grants.of_state_machine(job_type))
        invoked = {arn for action, arn in rights if action == "lambda:InvokeFunction"}
        assert invoked == {FUNCTIONS[name].arn for name in shipped.functions_of(job_type)}


def test_without_a_key_of_its_own_nothing_is_asked_of_it(account: None) -> None:
    deploy(SecretsKmsKeyArn="")
    rights = Grants(DEPLOYMENT, []).of_function("stages.project.verify_project")
    assert "kms:Decrypt" not in {action for action, _ in pairs(rights)}
    assert [one for one in rights if isinstance(one, Untold)] == []


@pytest.mark.parametrize("service", ["realtime", "storage", "pooler"])
def test_only_an_adapter_that_passes_credentials_on_reads_tenants_secrets(account: None, service: str) -> None:
    deploy(SecretsKmsKeyArn="")
    asked = []
    one = FUNCTIONS[f"Register{service.capitalize()}Function"]
    for adapter in ("generic", SETTINGS[f"{service.upper()}_SERVICE_ADAPTER"]):
        settings = SETTINGS | {f"{service.upper()}_SERVICE_ADAPTER": adapter}
        deployment = replace(DEPLOYMENT, functions=(replace(one, settings=settings),))
        rights = pairs(Grants(deployment, []).of_function(one.handler))
        asked.append((READ, f"{SECRET}:tenants/any") in rights)
    assert asked == [False, True]


def test_a_login_of_its_own_for_realtime_is_asked_for_where_there_is_one(account: None) -> None:
    handler = FUNCTIONS["RegisterRealtimeFunction"].handler
    without = replace(FUNCTIONS["RegisterRealtimeFunction"], settings=SETTINGS | {"REALTIME_DATABASE_SECRET_ID": ""})
    asked = [
        pairs(Grants(one, []).of_function(handler)) for one in (DEPLOYMENT, replace(DEPLOYMENT, functions=(without,)))
    ]
    assert [(READ, SETTINGS["REALTIME_DATABASE_SECRET_ID"]) in one for one in asked] == [True, False]


def test_the_tenants_secrets_stand_for_one_that_anybody_could_have(account: None) -> None:
    rights = pairs(Grants(DEPLOYMENT, []).of_function("stages.api_keys.revoke_api_keys"))
    on_tenants = {action for action, arn in rights if arn == f"{SECRET}:tenants/any"}
    assert on_tenants == {"secretsmanager:DescribeSecret", "secretsmanager:DeleteSecret"}
