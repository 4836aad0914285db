"""The state machines of a deployment, one of each job type, and the names of their executions."""

from provisioning.jobs.registry import DECLARATIONS, job_type_of, state_machine_of


def state_machines(known_arn: str) -> dict[str, str]:
    """Return the ARN of each job type's state machine by its name, given the ARN of any of them or its alias.

    A state machine of no job type is returned without others.
    """
    own = ":".join(known_arn.split(":")[:7])
    if job_type_of(own) is None:
        return {machine_of(own): own}
    arns = [state_machine_of(own, job_type) for job_type in DECLARATIONS]
    return {machine_of(arn): arn for arn in arns}


def machine_of(arn: str) -> str:
    """Return the name of a state machine, from its ARN or that of one of its executions."""
    return arn.split(":")[6]


def execution_arn(state_machine_arn: str, name: str) -> str:
    """Return the ARN of a state machine's execution of that name."""
    return f"{state_machine_arn.replace(':stateMachine:', ':execution:')}:{name}"
