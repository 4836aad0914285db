"""Each compensation undoes the stages that its job type declares, according to the ledger."""

from local.stack import Stack
from provisioning.jobs.declaration import Declaration
from tests.executions.looking import look
from tests.executions.running import SERVICES
from tests.stages.declared_jobs import a_job_of, handler_of, reach, run_stages
from tests.state_machines import every_declaration


@every_declaration
def test_each_compensation_undoes_the_stages_that_are_declared(
    stack: Stack, project_id: str, declared: Declaration
) -> None:
    reach(stack, project_id, declared.opens_in[0])
    job = a_job_of(declared, project_id, *SERVICES)
    run_stages(job)
    found, before = {}, set[str]()
    for compensation in reversed(declared.compensations):
        job.run(handler_of(compensation))
        steps = look(stack, project_id).steps[job.job_id]
        compensated = {step["stage"] for step in steps if step["status"] == "compensated"}
        found[compensation] = compensated - before
        before = compensated
    assert found == {state: set(stages) for state, stages in declared.compensations.items()}
