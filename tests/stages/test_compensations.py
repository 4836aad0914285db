"""Each compensation undoes the stages that the job type declares it undoes, in the ledger's words."""

from local.stack import Stack
from provisioning.jobs.provision_project import PROVISION_PROJECT
from stages.api_keys import generate_api_keys
from tests import shipped
from tests.executions.looking import look
from tests.stages.jobs import COMPENSATIONS, StagedJob


def test_each_compensation_undoes_the_stages_that_are_declared(stack: Stack, job: StagedJob) -> None:
    job.run_until(generate_api_keys)
    found, before = {}, set[str]()
    for compensation in COMPENSATIONS:
        job.run(compensation)
        steps = look(stack, job.project_id).steps[job.job_id]
        compensated = {step["stage"] for step in steps if step["status"] == "compensated"}
        found[compensation.__name__] = compensated - before
        before = compensated
    declared = {shipped.stem(state): set(stages) for state, stages in PROVISION_PROJECT.compensations.items()}
    assert found == declared
