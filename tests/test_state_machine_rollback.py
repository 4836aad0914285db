"""The entry into a rollback, by `rolls_back` in an execution's input, and the ends of a state machine."""

from provisioning.jobs.declaration import JobType
from provisioning.jobs.registry import DECLARATIONS
from tests.state_machines import CLOSING, MACHINES, STATES, TASKS, check_retry, every_job_type, rollback


def first_choice(job_type: JobType) -> str:
    """The choice between the job and the rollback of another: "Provision or roll back?"."""
    return f"{job_type.partition('_')[0].capitalize()} or roll back?"


@every_job_type
def test_only_a_string_names_a_job_to_roll_back(job_type: JobType) -> None:
    states = MACHINES[job_type]["States"]
    assert states["Receive payload"]["Next"] == first_choice(job_type)
    choice = states[first_choice(job_type)]
    variable = "$.payload.rolls_back"
    checks = [{"Variable": variable, "IsPresent": True}, {"Variable": variable, "IsString": True}]
    assert choice["Choices"] == [{"And": checks, "Next": "Take up the job"}]
    assert choice["Default"] == "Verify project"


@every_job_type
def test_a_rollback_begins_as_an_execution_does_but_for_its_job(job_type: JobType) -> None:
    states = MACHINES[job_type]["States"]
    own, other = (dict(states[name]["Parameters"]) for name in ("Receive payload", "Take up the job"))
    assert (own.pop("job_id.$"), own.pop("execution_arn.$")) == ("$$.Execution.Name", "$$.Execution.Id")
    assert other.pop("job_id.$") == "$.payload.rolls_back"
    assert other.pop("execution_arn.$").count("States.") <= 10, "Step Functions nests no more than 10 of them"
    assert (own.pop("payload.$"), other.pop("payload.$")) == ("$", "$.payload")
    assert (own.pop("job_type"), other.pop("job_type.$")) == (job_type, "$.job_type")
    assert own == other == {"tenant": {"tenant_id": None}, "forgotten": False, "failure": {}}


@every_job_type
def test_a_rollback_first_asks_step_functions_about_the_job(job_type: JobType) -> None:
    """Names of parameters and errors as AWS documents them for SDK integrations: PascalCase, and "Exception" at an
    error's end although DescribeExecution's own is ExecutionDoesNotExist.

    https://docs.aws.amazon.com/step-functions/latest/dg/supported-services-awssdk.html
    https://docs.aws.amazon.com/step-functions/latest/apireference/API_DescribeExecution.html: its answer is eventually
    consistent, and METADATA_ONLY needs no key and keeps input and output, of up to 256 KiB each, out of the state.
    """
    states = STATES[job_type]
    assert states["Take up the job"]["Next"] == "Look at its execution"
    look = states["Look at its execution"]
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
    assert states[otherwise["Next"]]["Type"] == "Fail"
    flag = states[forgotten["Next"]]
    assert (flag["Type"], flag["Result"], flag["ResultPath"], flag["Next"]) == (
        "Pass",
        True,
        "$.forgotten",
        rollback(job_type)[0],
    )


@every_job_type
def test_a_job_that_runs_or_has_succeeded_is_closed_to_a_rollback(job_type: JobType) -> None:
    states = MACHINES[job_type]["States"]
    assert states["Look at its execution"]["Next"] == "May it be rolled back?"
    choice = states["May it be rolled back?"]
    (rule,) = choice["Choices"]
    assert {one["StringEquals"] for one in rule["Or"]} == {"SUCCEEDED", "RUNNING"}
    closed = states[rule["Next"]]
    assert (closed["Type"], closed["Error"]) == ("Fail", "JobClosed")
    assert choice["Default"] == rollback(job_type)[0]


@every_job_type
def test_a_job_that_had_succeeded_before_its_failure_ends_with_its_result(job_type: JobType) -> None:
    states = STATES[job_type]
    choice = states[TASKS[job_type][CLOSING]["Next"]]
    (rule,) = choice["Choices"]
    assert (rule["Variable"], rule["StringEquals"]) == ("$.recorded.outcome", "succeeded")
    before, failed = states[rule["Next"]], states[choice["Default"]]
    assert (before["Type"], before["OutputPath"]) == ("Succeed", "$.recorded.result")
    assert (failed["Type"], failed["ErrorPath"], failed["CausePath"]) == (
        "Fail",
        "$.recorded.error",
        "$.recorded.cause",
    )


@every_job_type
def test_the_last_stage_leads_to_the_result_of_the_job(job_type: JobType) -> None:
    last = list(DECLARATIONS[job_type].states.values())[-1]
    end = STATES[job_type][TASKS[job_type][last]["Next"]]
    assert (end["Type"], end["OutputPath"]) == ("Succeed", "$.finalized.result")


def test_the_choices_and_good_ends_of_each_machine_have_names_of_their_own() -> None:
    """For a single execution, the names show its kind of job."""
    named = [
        name
        for job_type in DECLARATIONS
        for name, state in MACHINES[job_type]["States"].items()
        if state["Type"] in {"Choice", "Succeed"} and name not in ("May it be rolled back?", "All services registered?")
    ]
    assert len(named) == len(set(named))
