"""The files of a stage that touches a tenant, and of a job type that consists of it."""

NAMES = {"THING": "touching", "HANDLER": "touch_tenant"}
STAGES_FILE = "functions/stages/touching.py"

STAGE = '''"""Notes that a job came by the tenant. There is nothing to compensate."""

from provisioning import queries
from provisioning.errors import UnexpectedFailure
from provisioning.handler import handler
from provisioning.ledger.attempt import Attempt
from provisioning.ledger.runner import Event, LambdaContext, Output, run_stage
from provisioning.stage import Stage

QUERIES = queries.load(__file__)


@handler()
def touch_tenant(event: Event, context: LambdaContext) -> Output:
    """Lambda handler. Takes {job_id, tenant_id}, returns {touched}."""
    return run_stage(Stage.TOUCHING, event, context, action=touch, failure=UnexpectedFailure)


def touch(attempt: Attempt) -> Output:
    """Record the touch with the stage. A stage that has succeeded is not run again."""
    return attempt.succeed({"touched": attempt.job.tenant.tenant_id}, QUERIES["record_touch"])
'''
FINISH = '''

@handler()
def finish_touching(event: Event, context: LambdaContext) -> Output:
    """Lambda handler. Takes {job_id, tenant_id}, returns the job's result.

    "Finalize" writes the register, which a job that changes nothing in its tenant has no claim on.
    """
    return run_stage(
        Stage.FINALIZING, event, context, action=lambda attempt: attempt.complete(), failure=UnexpectedFailure
    )
'''
QUERY = """-- What "Touch tenant" records. Placeholders are %(name)s.

-- name: record_touch (job_id text)
INSERT INTO control_plane.audit_log (action, job_id, project_id, tenant_id, stage)
SELECT 'tenant touched', job_id, project_id, tenant_id, 'touching'
FROM control_plane.jobs
WHERE job_id = %(job_id)s AND current_setting('provisioner.recorded')::boolean;
"""
EVENT = '{"job_id": "suspend-job", "tenant_id": "abcdefghijklmnopqrst"}\n'
IMPORTS = '    "stages.touching": EVERY_STAGE,\n'
STAGE_TEST = '''"""A job touches the tenant before anything else."""

from local.stack import Stack
from provisioning.jobs.suspend_project import SUSPEND_PROJECT
from stages.touching import touch_tenant
from tests.executions.running import payload_for
from tests.stages.jobs import StagedJob, execute

TOUCHED = """
    SELECT step.status, (SELECT count(*) FROM control_plane.audit_log AS entry
                         WHERE entry.job_id = step.job_id AND entry.stage = step.stage AND action = 'tenant touched')
    FROM control_plane.provisioning_steps AS step
    WHERE job_id = %s AND stage = 'touching'
"""


def test_an_execution_touches_the_tenant_once(stack: Stack, project_id: str) -> None:
    assert stack.run(payload_for(project_id))["status"] == "SUCCEEDED"
    ended = stack.run({"project_id": project_id}, job_type=SUSPEND_PROJECT.job_type)
    assert ended["status"] == "SUCCEEDED"
    assert execute(stack, "control_plane", TOUCHED, ended["name"]) == [("succeeded", 1)]


def test_a_second_delivery_touches_nothing_again(stack: Stack, project_id: str) -> None:
    stack.run(payload_for(project_id))
    job = StagedJob("job-touching-twice", {"project_id": project_id}, job_type=SUSPEND_PROJECT.job_type)
    job.verify()
    assert job.run(touch_tenant) == job.run(touch_tenant)
    assert execute(stack, "control_plane", TOUCHED, job.job_id) == [("succeeded", 1)]
'''

STEP = '        Step(Stage.TOUCHING, "Touch tenant"),\n'
DECLARATION = '''"""The job that touches a project's tenant, and leaves the project as it was."""

from provisioning.jobs.declaration import Declaration, JobType, ProjectStatus, Step, TenantOf
from provisioning.jobs.payload import PROJECT_SCHEMA, parse_project_payload
from provisioning.stage import Stage

TOUCH_PROJECT = Declaration(
    JobType("touch_project"),
    summary="Touch a project's tenant.",
    command="provision touch PROJECT",
    parse=parse_project_payload,
    schema=PROJECT_SCHEMA,
    steps=(
        Step(Stage.INITIALIZING, "Verify project"),
        Step(Stage.TOUCHING, "Touch tenant"),
        Step(Stage.FINALIZING, "Finish touching"),
    ),
    tenant=TenantOf.PROJECT,
    opens_in=(ProjectStatus.ACTIVE,),
    while_running=ProjectStatus.RESUMING,
    on_success=ProjectStatus.ACTIVE,
    on_failure=ProjectStatus.ACTIVE,
)
'''
MACHINE = """Comment: >-
  Touches one project's tenant. Every stage is tried three times, 300 seconds apart. There is nothing to roll back: with
  {"rolls_back": JOB} as its input, an execution only closes that job.
StartAt: Receive payload
States:
"""
ROW = '    "touch_project": Row(("active",), "resuming", "active", "active"),\n'
DOCUMENTATION = """
## Touch

`touch_project` notes in the audit log that it came by, and leaves the project as it was.
"""
JOB_TEST = '''"""Executions that touch a project."""

import json

from typer.main import get_command

from cli.app import app
from local.stack import Stack
from provisioning.jobs.touch_project import TOUCH_PROJECT
from tests.executions.running import execute, payload_for

LEDGER = """
    SELECT jobs.job_type, jobs.status, jobs.progress_percent, projects.status,
           (SELECT string_agg(stage || ' ' || step.status, ', ' ORDER BY position)
            FROM control_plane.provisioning_steps AS step WHERE step.job_id = jobs.job_id),
           (SELECT count(*) FROM control_plane.audit_log AS entry
            WHERE entry.job_id = jobs.job_id AND action = 'tenant touched')
    FROM control_plane.jobs JOIN control_plane.projects USING (project_id)
    WHERE jobs.job_id = '{}'
"""
STEPS = "initializing succeeded, touching succeeded, finalizing "


def test_a_touched_project_is_active_and_its_ledger_says_who_touched_it(stack: Stack, project_id: str) -> None:
    stack.run(payload_for(project_id))
    ended = stack.run({"project_id": project_id}, job_type=TOUCH_PROJECT.job_type)
    assert ended["status"] == "SUCCEEDED"
    result = json.loads(ended["output"])
    assert (result["project_id"], result["status"], result["touched"]) == (project_id, "active", result["tenant_id"])
    row = ("touch_project", "succeeded", 100, "active", f"{STEPS}succeeded", 1)
    assert execute(stack, LEDGER.format(ended["name"]), "control_plane") == [row]


def test_a_touch_that_fails_leaves_its_project_active(stack: Stack, project_id: str) -> None:
    def fail(_event: object, _context: object) -> None:
        raise ValueError

    stack.run(payload_for(project_id))
    with stack.runtime.replaced("FinishTouchingFunction", fail):
        ended = stack.run({"project_id": project_id}, job_type=TOUCH_PROJECT.job_type)
    assert ended["status"] == "FAILED"
    row = ("touch_project", "failed", 66, "active", f"{STEPS}pending", 1)
    assert execute(stack, LEDGER.format(ended["name"]), "control_plane") == [row]


def test_the_command_line_has_its_command() -> None:
    assert "touch" in vars(get_command(app))["commands"]
'''
