import re
from itertools import pairwise
from typing import Any

import pytest
import yaml
from statelint.linter import Linter

from provisioning import errors
from provisioning.jobs.provision_project import PROVISION_PROJECT
from tests import shipped

ROLLBACK = ["Revoke API keys", "Deregister services", "Drop tenant database", "Record failure"]
TASKS = shipped.tasks()
FORWARD = [name for name in TASKS if name not in ROLLBACK]
STAGES_OF = dict(zip(FORWARD, PROVISION_PROJECT.states, strict=True))
IN_BRANCHES = [name for name in TASKS if name not in shipped.definition()["States"]]


def permanent_errors(base: type[errors.ProvisioningError] = errors.PermanentError) -> set[str]:
    return {base.__name__ for base in base.__subclasses__()}.union(
        *(permanent_errors(below) for below in base.__subclasses__())
    )


def only_catch(task: dict[str, Any]) -> dict[str, Any]:
    (catch,) = task["Catch"]
    return dict(catch)


def test_the_definition_is_correct_states_language() -> None:
    assert Linter.validate(shipped.definition()) == []


def test_the_linter_sees_a_state_that_is_not_there() -> None:
    broken = shipped.definition()
    broken["States"]["Verify project"]["Next"] = "Nowhere"
    assert Linter.validate(broken)


def test_there_is_nothing_that_only_pyyaml_can_read() -> None:
    for token in yaml.scan(shipped.DEFINITION.read_text()):
        assert not isinstance(token, yaml.AnchorToken | yaml.AliasToken | yaml.TagToken)
        assert not (isinstance(token, yaml.ScalarToken) and token.plain and token.value == "<<")


def test_every_substitution_is_a_quoted_function_arn_or_the_partition_of_a_resource() -> None:
    text = shipped.DEFINITION.read_text()
    functions = re.findall(r'FunctionName: "\$\{(\w+FunctionArn)\}"', text)
    partitions = re.findall(r'Resource: "arn:\$\{Partition\}:states:::[\w:-]+"', text)
    assert len(functions) == len(TASKS)
    assert len(partitions) == len(TASKS) + 1
    assert len(functions) + len(partitions) == text.count("${")


def test_names_of_states_are_sentences_and_unique() -> None:
    names = [name for name, _ in shipped.states()]
    assert len(names) == len(set(names))
    assert all(re.fullmatch(r"[A-Z][A-Za-z ]{1,78}\??", name) for name in names)


def test_every_state_says_what_it_is_for() -> None:
    assert [name for name, state in shipped.states() if not state.get("Comment")] == []


@pytest.mark.parametrize("name", TASKS)
def test_a_task_invokes_a_function_and_gives_it_longer_than_lambda_does(name: str) -> None:
    function = shipped.functions()[shipped.resource_name(shipped.stem(name))]
    lambda_timeout = function.get("Timeout", shipped.template()["Globals"]["Function"]["Timeout"])
    assert TASKS[name]["Resource"] == "arn:${Partition}:states:::lambda:invoke"
    assert lambda_timeout < TASKS[name]["TimeoutSeconds"] <= 60


@pytest.mark.parametrize("name", TASKS)
def test_a_task_is_given_its_job_by_the_state_and_never_by_the_execution(name: str) -> None:
    """An execution that rolls back another job has a name of its own."""
    payload = TASKS[name]["Parameters"]["Payload"]
    assert payload["job_id.$"] == "$.job_id"
    assert not any("$$" in path for path in payload.values())


@pytest.mark.parametrize("name", TASKS)
def test_a_task_is_given_what_its_kind_of_function_takes(name: str) -> None:
    tenant = "$.tenant_id" if name in IN_BRANCHES else "$.tenant.tenant_id"
    of_the_job = {"job_id.$": "$.job_id", "execution_arn.$": "$.execution_arn", "payload.$": "$.payload"}
    expected = {
        "Verify project": of_the_job,
        **{compensation: {"forgotten.$": "$.forgotten"} for compensation in ROLLBACK[:-1]},
        "Record failure": of_the_job | {"job_type.$": "$.job_type", "failure.$": "$.failure"},
    }.get(name, {})
    if name != "Verify project":
        expected = {"job_id.$": "$.job_id", "tenant_id.$": tenant} | expected
    assert TASKS[name]["Parameters"]["Payload"] == expected


def test_the_tenant_that_the_database_stage_answers_replaces_the_one_in_the_state() -> None:
    assert shipped.definition()["States"]["Receive payload"]["Parameters"]["tenant"] == {"tenant_id": None}
    for name in ("Verify project", "Create tenant database"):
        assert TASKS[name]["ResultPath"] == "$.tenant"
        assert TASKS[name]["ResultSelector"]["tenant_id.$"] == "$.Payload.tenant_id"


def check_retry(retry: list[dict[str, Any]]) -> None:
    """Checks the three retriers that every Task ends with."""
    permanent, lambda_faults, everything_else = retry

    assert set(permanent["ErrorEquals"]) == permanent_errors()
    assert permanent["MaxAttempts"] == 0

    assert set(lambda_faults["ErrorEquals"]) == {
        "Lambda.TooManyRequestsException",
        "Lambda.ServiceException",
        "Lambda.AWSLambdaException",
        "Lambda.SdkClientException",
        "Lambda.CodeArtifactUserPendingException",
    }
    assert lambda_faults["JitterStrategy"] == "FULL"
    assert len(delays(lambda_faults)) == lambda_faults["MaxAttempts"] <= 30
    assert max(delays(lambda_faults)) <= 60

    assert everything_else == {
        "ErrorEquals": ["States.ALL"],
        "IntervalSeconds": 300,
        "MaxAttempts": 2,
        "BackoffRate": 1.0,
    }


def delays(retrier: dict[str, Any]) -> list[float]:
    """The longest delay before each retry. FULL jitter draws each between 0 and that: half of it, on average."""
    exponential = [
        retrier["IntervalSeconds"] * retrier["BackoffRate"] ** number for number in range(retrier["MaxAttempts"])
    ]
    return [min(delay, retrier["MaxDelaySeconds"]) for delay in exponential]


@pytest.mark.parametrize("name", TASKS)
def test_a_task_retries_in_the_given_order(name: str) -> None:
    check_retry(TASKS[name]["Retry"])


def test_every_task_has_the_same_retry_in_three_lines() -> None:
    every = [state["Retry"][-3:] for _, state in shipped.states() if state["Type"] == "Task"]
    assert all(retry == every[0] for retry in every)
    lines = [line.strip() for line in shipped.DEFINITION.read_text().splitlines()]
    for retrier in every[0]:
        first = retrier["ErrorEquals"][0]
        written = [line for line in lines if line.startswith(f"- {{ErrorEquals: [{first}") and "Next" not in line]
        assert len(written) == len(every)
        assert [yaml.safe_load(line) for line in written] == [[retrier]] * len(every)


def test_faults_of_lambda_itself_are_waited_out_for_minutes() -> None:
    """An exhausted retrier leads to Catch and never to States.ALL: throttling alone would roll jobs back."""
    on_average = sum(delays(TASKS["Verify project"]["Retry"][1])) / 2
    assert 10 * 60 <= on_average <= 15 * 60


@pytest.mark.parametrize("name", FORWARD)
def test_a_failed_stage_keeps_its_input_and_goes_back_by_the_one_chain(name: str) -> None:
    catch = only_catch(TASKS[name])
    assert (catch["ErrorEquals"], catch["ResultPath"]) == (["States.ALL"], f"$.failure.{STAGES_OF[name]}")
    if name == "Verify project":
        assert catch["Next"] == "Record failure", "nothing was made yet"
    elif name in IN_BRANCHES:
        assert dict(shipped.states())[catch["Next"]]["Type"] == "Succeed", "a branch that fails cuts off its siblings"
    else:
        assert catch["Next"] == ROLLBACK[0]


@pytest.mark.parametrize(("name", "following"), [*pairwise(ROLLBACK)])
def test_an_exhausted_compensation_goes_on_to_the_next(name: str, following: str) -> None:
    catch = only_catch(TASKS[name])
    assert catch["ErrorEquals"] == ["States.ALL"]
    assert catch["Next"] == TASKS[name]["Next"] == following
    kept_beside = r"\$\.(?!failure\b)\w+"
    assert re.fullmatch(kept_beside, catch["ResultPath"]), "the first failure is the one to report"


def test_whatever_ends_badly_ends_in_fail() -> None:
    by_name = dict(shipped.states())
    assert by_name[only_catch(TASKS["Record failure"])["Next"]]["Type"] == "Fail"
    recorded = [state for state in by_name.values() if "ErrorPath" in state]
    assert [state["Type"] for state in recorded] == ["Fail"]
    assert "CausePath" in recorded[0]


def test_the_services_are_registered_side_by_side() -> None:
    branches = shipped.definition()["States"]["Register services"]["Branches"]
    assert [sorted(name for name in branch["States"] if name in TASKS) for branch in branches] == [
        ["Register auth"],
        ["Register realtime"],
        ["Register storage"],
        ["Register pooler"],
    ]
    assert [branch["StartAt"] for branch in branches] == IN_BRANCHES, "no state of its own skips a service"
    assert {state["Type"] for branch in branches for state in branch["States"].values()} == {"Task", "Succeed"}


@pytest.mark.parametrize("name", IN_BRANCHES)
def test_a_service_that_is_not_wanted_has_every_field_to_answer_with_null(name: str) -> None:
    fields = {f"{field}.$": f"$.Payload.{field}" for field in ("service", "external_id", "endpoint")}
    assert TASKS[name]["ResultSelector"] == fields


def test_a_branch_has_no_failure_unless_it_has_failed() -> None:
    parallel = shipped.definition()["States"]["Register services"]
    assert set(parallel["Parameters"]) == {"job_id.$", "tenant_id.$"}
    assert parallel["ResultSelector"]["failures.$"] == "$[*].failure"
