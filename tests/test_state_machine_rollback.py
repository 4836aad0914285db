"""The states that lead an execution with `rolls_back` in its input to the first compensation."""

from provisioning.jobs.declaration import JobType
from tests import shipped
from tests.test_state_machine import ROLLBACK, check_retry


def test_only_a_string_names_a_job_to_roll_back() -> None:
    choice = shipped.definition()["States"]["Provision or roll back?"]
    variable = "$.payload.rolls_back"
    checks = [{"Variable": variable, "IsPresent": True}, {"Variable": variable, "IsString": True}]
    assert choice["Choices"] == [{"And": checks, "Next": "Take up the job"}]
    assert choice["Default"] == "Verify project"


def test_a_rollback_begins_as_an_execution_does_but_for_its_job() -> None:
    states = shipped.definition()["States"]
    own, other = (dict(states[name]["Parameters"]) for name in ("Receive payload", "Take up the job"))
    assert (own.pop("job_id.$"), own.pop("execution_arn.$")) == ("$$.Execution.Name", "$$.Execution.Id")
    assert other.pop("job_id.$") == "$.payload.rolls_back"
    assert other.pop("execution_arn.$").count("States.") <= 10, "Step Functions nests no more than 10 of them"
    assert (own.pop("payload.$"), other.pop("payload.$")) == ("$", "$.payload")
    assert (own.pop("job_type"), other.pop("job_type.$")) == (JobType.PROVISION_PROJECT, "$.job_type")
    assert own == other == {"tenant": {"tenant_id": None}, "forgotten": False, "failure": {}}


def test_a_rollback_first_asks_step_functions_about_the_job() -> None:
    """Names of parameters and errors as AWS documents them for SDK integrations: PascalCase, and "Exception" at an
    error's end although DescribeExecution's own is ExecutionDoesNotExist.

    https://docs.aws.amazon.com/step-functions/latest/dg/supported-services-awssdk.html
    https://docs.aws.amazon.com/step-functions/latest/apireference/API_DescribeExecution.html: its answer is eventually
    consistent, and METADATA_ONLY needs no key and keeps input and output, of up to 256 KiB each, out of the state.
    """
    look = shipped.definition()["States"]["Look at its execution"]
    assert look["Resource"] == "arn:${Partition}:states:::aws-sdk:sfn:describeExecution"
    assert look["Parameters"] == {"ExecutionArn.$": "$.execution_arn", "IncludedData": "METADATA_ONLY"}
    unknown, invalid, *usual = look["Retry"]
    assert unknown["ErrorEquals"] == ["Sfn.ExecutionDoesNotExistException"]
    assert 0 < unknown["IntervalSeconds"] * unknown["MaxAttempts"] <= 30
    assert invalid == {"ErrorEquals": ["Sfn.InvalidArnException"], "MaxAttempts": 0}
    check_retry(usual)
    forgotten, otherwise = look["Catch"]
    assert forgotten["ErrorEquals"] == ["Sfn.ExecutionDoesNotExistException"]
    assert otherwise["ErrorEquals"] == ["States.ALL"]
    by_name = dict(shipped.states())
    assert by_name[otherwise["Next"]]["Type"] == "Fail"
    flag = by_name[forgotten["Next"]]
    assert (flag["Type"], flag["Result"], flag["ResultPath"], flag["Next"]) == (
        "Pass",
        True,
        "$.forgotten",
        ROLLBACK[0],
    )


def test_a_job_that_runs_or_has_succeeded_is_closed_to_a_rollback() -> None:
    choice = shipped.definition()["States"]["May it be rolled back?"]
    (rule,) = choice["Choices"]
    assert {one["StringEquals"] for one in rule["Or"]} == {"SUCCEEDED", "RUNNING"}
    closed = shipped.definition()["States"][rule["Next"]]
    assert (closed["Type"], closed["Error"]) == ("Fail", "JobClosed")
    assert choice["Default"] == ROLLBACK[0]
