import re
from itertools import pairwise
from typing import Any

import pytest
import yaml
from statelint.linter import Linter

from provisioning import errors
from provisioning.stage import STEPS
from tests import shipped

ROLLBACK = ["Revoke API keys", "Deregister services", "Drop tenant database", "Record failure"]
TASKS = shipped.tasks()
FORWARD = [name for name in TASKS if name not in ROLLBACK]
STAGES_OF = dict(zip(FORWARD, STEPS, strict=True))
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


def test_every_substitution_is_a_quoted_function_arn() -> None:
    text = shipped.DEFINITION.read_text()
    quoted = re.findall(r'FunctionName: "\$\{(\w+FunctionArn)\}"', text)
    assert len(quoted) == text.count("${") == len(TASKS)


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
    assert TASKS[name]["Resource"] == "arn:aws:states:::lambda:invoke"
    assert lambda_timeout < TASKS[name]["TimeoutSeconds"] <= 60


@pytest.mark.parametrize("name", TASKS)
def test_a_task_retries_in_the_given_order(name: str) -> None:
    permanent, lambda_faults, everything_else = TASKS[name]["Retry"]

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
    assert 2 <= lambda_faults["MaxAttempts"] <= 5
    assert lambda_faults["MaxDelaySeconds"] <= 10

    assert everything_else == {
        "ErrorEquals": ["States.ALL"],
        "IntervalSeconds": 300,
        "MaxAttempts": 2,
        "BackoffRate": 1.0,
    }


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
    assert {branch["States"][branch["StartAt"]]["Type"] for branch in branches} == {"Choice"}
