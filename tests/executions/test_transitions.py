"""What an execution is billed for: every state it enters, and every retry."""

from local.stack import Stack
from provisioning.jobs.export_project import EXPORT_PROJECT
from provisioning.jobs.provision_project import PROVISION_PROJECT
from provisioning.jobs.registry import DECLARATIONS
from provisioning.jobs.resume_project import RESUME_PROJECT
from provisioning.jobs.suspend_project import SUSPEND_PROJECT
from tests.executions.running import SERVICES, ended, entered, history, payload_for

MOST_TRANSITIONS = {
    PROVISION_PROJECT.job_type: 14,
    SUSPEND_PROJECT.job_type: 7,
    RESUME_PROJECT.job_type: 7,
    EXPORT_PROJECT.job_type: 6,
}
"""On the happy path with all services. Standard workflows are billed by transition, so none is added by accident."""


def test_the_happy_path_with_all_services_enters_no_more_states_than_it_did(stack: Stack, project_id: str) -> None:
    of_project = {"project_id": project_id}
    found = {}
    for job_type in MOST_TRANSITIONS:
        payload = payload_for(project_id, *SERVICES) if job_type == PROVISION_PROJECT.job_type else of_project
        ran = ended(stack, stack.start_execution(payload, job_type=job_type))
        assert ran.status == "SUCCEEDED", ran.cause
        found[job_type] = len(entered(history(stack, ran.arn)))
    assert found == MOST_TRANSITIONS
    assert found == {job_type: declared.transitions for job_type, declared in DECLARATIONS.items()}


def test_every_job_type_has_its_number_of_transitions() -> None:
    assert set(MOST_TRANSITIONS) == set(DECLARATIONS)
