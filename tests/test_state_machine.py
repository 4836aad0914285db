"""What all state machines have in common, and what only the provisioning one has."""

import re
from itertools import pairwise
from typing import Any

import pytest
import yaml
from statelint.linter import Linter

from provisioning.jobs.declaration import JobType
from provisioning.jobs.registry import DECLARATIONS
from tests import shipped
from tests.state_machines import (
    CLOSING,
    MACHINES,
    STATES,
    TASKS,
    check_retry,
    delays,
    every_job_type,
    in_branches,
    only_catch,
    rollback,
    shared_functions,
    stages_of,
)

FIRST = "Verify project"
PROVISIONS = shipped.PROVISION
FUNCTIONS = shipped.functions()
USUAL_TIMEOUT = shipped.template()["Globals"]["Function"]["Timeout"]

every_task = pytest.mark.parametrize(
    ("job_type", "name"), [(job_type, name) for job_type, tasks in TASKS.items() for name in tasks]
)
every_stage = pytest.mark.parametrize(
    ("job_type", "name"),
    [(job_type, name) for job_type, declared in DECLARATIONS.items() for name in stages_of(declared)],
)


@every_job_type
def test_the_definition_is_correct_states_language(job_type: JobType) -> None:
    assert Linter.validate(MACHINES[job_type]) == []


@every_job_type
def test_the_linter_sees_a_state_that_is_not_there(job_type: JobType) -> None:
    broken = shipped.definition(job_type)
    broken["States"][FIRST]["Next"] = "Nowhere"
    assert Linter.validate(broken)


@every_job_type
def test_there_is_nothing_that_only_pyyaml_can_read(job_type: JobType) -> None:
    for token in yaml.scan(shipped.definition_file(job_type).read_text()):
        assert not isinstance(token, yaml.AnchorToken | yaml.AliasToken | yaml.TagToken)
        assert not (isinstance(token, yaml.ScalarToken) and token.plain and token.value == "<<")


@every_job_type
def test_every_substitution_is_a_quoted_function_arn_or_the_partition_of_a_resource(job_type: JobType) -> None:
    text = shipped.definition_file(job_type).read_text()
    functions = re.findall(r'FunctionName: "\$\{(\w+FunctionArn)\}"', text)
    partitions = re.findall(r'Resource: "arn:\$\{Partition\}:states:::[\w:-]+"', text)
    assert len(functions) == len(TASKS[job_type])
    assert len(partitions) == len(TASKS[job_type]) + 1
    assert len(functions) + len(partitions) == text.count("${")


@every_job_type
def test_names_of_states_are_sentences_and_unique(job_type: JobType) -> None:
    names = [name for name, _ in shipped.states(MACHINES[job_type])]
    assert len(names) == len(set(names))
    assert all(re.fullmatch(r"[A-Z][A-Za-z ]{1,78}\??", name) for name in names)


@every_job_type
def test_every_state_says_what_it_is_for(job_type: JobType) -> None:
    assert MACHINES[job_type]["Comment"]
    assert [name for name, state in STATES[job_type].items() if not state.get("Comment")] == []


@every_task
def test_a_task_invokes_a_function_and_gives_it_longer_than_lambda_does(job_type: JobType, name: str) -> None:
    task, stem = TASKS[job_type][name], shipped.stem(name)
    function = FUNCTIONS[shipped.resource_name(stem)]
    lambda_timeout = function.get("Timeout", USUAL_TIMEOUT)
    assert task["Parameters"]["FunctionName"] == f"${{{shipped.resource_name(stem)}Arn}}"
    assert task["Resource"] == "arn:${Partition}:states:::lambda:invoke"
    assert lambda_timeout < task["TimeoutSeconds"] <= max(60, lambda_timeout + 10)


@every_task
def test_a_task_is_given_its_job_by_the_state_and_never_by_the_execution(job_type: JobType, name: str) -> None:
    """An execution that rolls back another job has its own name."""
    payload = TASKS[job_type][name]["Parameters"]["Payload"]
    assert payload["job_id.$"] == "$.job_id"
    assert not any("$$" in path for path in payload.values())


@every_task
def test_a_task_is_given_what_its_kind_of_function_takes(job_type: JobType, name: str) -> None:
    """A function that serves several job types gets the job's type, and so does a compensation, which checks it."""
    tenant = "$.tenant_id" if name in in_branches(job_type) else "$.tenant.tenant_id"
    of_the_job = {"job_id.$": "$.job_id", "execution_arn.$": "$.execution_arn", "payload.$": "$.payload"}
    expected = {
        FIRST: of_the_job,
        **{
            compensation: {"job_type.$": "$.job_type", "forgotten.$": "$.forgotten", "failure.$": "$.failure"}
            for compensation in rollback(job_type)[:-1]
        },
        CLOSING: of_the_job | {"forgotten.$": "$.forgotten", "failure.$": "$.failure"},
    }.get(name, {})
    if name != FIRST:
        expected = {"job_id.$": "$.job_id", "tenant_id.$": tenant} | expected
    if shipped.resource_name(shipped.stem(name)) in shared_functions():
        expected = {"job_type.$": "$.job_type"} | expected
    assert TASKS[job_type][name]["Parameters"]["Payload"] == expected


@every_stage
def test_a_stage_keeps_of_its_answer_what_its_selector_names(job_type: JobType, name: str) -> None:
    task = TASKS[job_type][name]
    kept = task["ResultSelector"]
    assert kept
    assert all(
        path == ("$.Payload" if field == "result.$" else f"$.Payload.{field[:-2]}") for field, path in kept.items()
    )


@every_task
def test_an_answer_never_replaces_the_job_or_its_failure(job_type: JobType, name: str) -> None:
    begun = MACHINES[job_type]["States"]["Receive payload"]["Parameters"]
    kept = {f"$.{field.removesuffix('.$')}" for field in begun} - {"$.tenant"}
    assert re.fullmatch(r"\$\.[a-z_]+", TASKS[job_type][name]["ResultPath"])
    assert TASKS[job_type][name]["ResultPath"] not in kept


@every_job_type
def test_the_job_has_the_tenant_that_its_first_stage_answers(job_type: JobType) -> None:
    assert MACHINES[job_type]["States"]["Receive payload"]["Parameters"]["tenant"] == {"tenant_id": None}
    first = TASKS[job_type][FIRST]
    assert (first["ResultPath"], first["ResultSelector"]["tenant_id.$"]) == ("$.tenant", "$.Payload.tenant_id")


def test_the_tenant_that_the_database_stage_answers_replaces_the_one_in_the_state() -> None:
    database = TASKS[PROVISIONS]["Create tenant database"]
    assert (database["ResultPath"], database["ResultSelector"]["tenant_id.$"]) == ("$.tenant", "$.Payload.tenant_id")


@every_task
def test_a_task_retries_in_the_given_order(job_type: JobType, name: str) -> None:
    check_retry(TASKS[job_type][name]["Retry"])


@every_job_type
def test_every_task_of_every_machine_has_the_same_retry_in_three_lines(job_type: JobType) -> None:
    machine = MACHINES[job_type]
    every = [state["Retry"][-3:] for _, state in shipped.states(machine) if state["Type"] == "Task"]
    assert all(retry == TASKS[PROVISIONS][FIRST]["Retry"] for retry in every)
    lines = [line.strip() for line in shipped.definition_file(job_type).read_text().splitlines()]
    for retrier in every[0]:
        first = retrier["ErrorEquals"][0]
        written = [line for line in lines if line.startswith(f"- {{ErrorEquals: [{first}") and "Next" not in line]
        assert len(written) == len(every)
        assert [yaml.safe_load(line) for line in written] == [[retrier]] * len(every)


def test_faults_of_lambda_itself_are_waited_out_for_minutes() -> None:
    """An exhausted retrier leads to Catch and never to States.ALL: otherwise throttling would roll jobs back."""
    on_average = sum(delays(TASKS[PROVISIONS][FIRST]["Retry"][1])) / 2
    assert 10 * 60 <= on_average <= 15 * 60


@every_stage
def test_a_failed_stage_keeps_its_input_and_goes_back_by_the_one_chain(job_type: JobType, name: str) -> None:
    catch = only_catch(TASKS[job_type][name])
    assert (catch["ErrorEquals"], catch["ResultPath"]) == (
        ["States.ALL"],
        f"$.failure.{stages_of(DECLARATIONS[job_type])[name]}",
    )
    if name == FIRST:
        assert catch["Next"] == CLOSING, "nothing was made yet"
    elif name in in_branches(job_type):
        assert STATES[job_type][catch["Next"]]["Type"] == "Succeed", "a branch that fails cuts off its siblings"
    else:
        assert catch["Next"] == rollback(job_type)[0]


@pytest.mark.parametrize(
    ("job_type", "name", "following"),
    [(job_type, *pair) for job_type in DECLARATIONS for pair in pairwise(rollback(job_type))],
)
def test_an_exhausted_compensation_leads_to_the_next(job_type: JobType, name: str, following: str) -> None:
    catch = only_catch(TASKS[job_type][name])
    assert catch["ErrorEquals"] == ["States.ALL"]
    assert catch["Next"] == TASKS[job_type][name]["Next"] == following
    kept_beside = r"\$\.(?!failure\b)\w+"
    assert re.fullmatch(kept_beside, catch["ResultPath"]), "the first failure is the one to report"


@every_job_type
def test_whatever_ends_badly_ends_in_fail(job_type: JobType) -> None:
    states = STATES[job_type]
    assert states[only_catch(TASKS[job_type][CLOSING])["Next"]]["Type"] == "Fail"
    recorded = [state for state in states.values() if "ErrorPath" in state]
    assert [state["Type"] for state in recorded] == ["Fail"]
    assert "CausePath" in recorded[0]


def test_the_services_are_registered_side_by_side() -> None:
    branches = MACHINES[PROVISIONS]["States"]["Register services"]["Branches"]
    assert [sorted(name for name in branch["States"] if name in TASKS[PROVISIONS]) for branch in branches] == [
        ["Register auth"],
        ["Register realtime"],
        ["Register storage"],
        ["Register pooler"],
    ]
    assert [branch["StartAt"] for branch in branches] == in_branches(PROVISIONS), "no state of its own skips a service"
    assert {state["Type"] for branch in branches for state in branch["States"].values()} == {"Task", "Succeed"}


@pytest.mark.parametrize("name", in_branches(PROVISIONS))
def test_a_service_that_is_not_wanted_has_every_field_to_answer_with_null(name: str) -> None:
    fields = {f"{field}.$": f"$.Payload.{field}" for field in ("service", "external_id", "endpoint")}
    assert TASKS[PROVISIONS][name]["ResultSelector"] == fields


def test_a_branch_has_no_failure_unless_it_has_failed() -> None:
    parallel: dict[str, Any] = MACHINES[PROVISIONS]["States"]["Register services"]
    assert set(parallel["Parameters"]) == {"job_id.$", "tenant_id.$"}
    assert parallel["ResultSelector"]["failures.$"] == "$[*].failure"
