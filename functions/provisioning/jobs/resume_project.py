"""The job that opens a suspended project's tenant again, and proves that it works."""

from provisioning.errors import SuspendInProgress
from provisioning.jobs.calls import Calls, Question
from provisioning.jobs.declaration import Declaration, JobType, ProjectStatus, Step, TenantOf
from provisioning.jobs.payload import PROJECT_SCHEMA, parse_project_payload
from provisioning.stage import Stage

RESUME_PROJECT = Declaration(
    JobType("resume_project"),
    summary="Open a suspended project's database again, and prove that it works.",
    command="provision resume PROJECT",
    parse=parse_project_payload,
    schema=PROJECT_SCHEMA,
    steps=(
        Step(Stage.INITIALIZING, "Verify project"),
        Step(
            Stage.RESTORING_ACCESS,
            "Restore tenant access",
            "Suspend tenant access",
            "an open tenant",
            calls=Calls(control_plane=5, register=15),
        ),
        Step(
            Stage.RESUMING_SERVICES,
            "Resume services",
            "Suspend services",
            "resumed services",
            calls=Calls(control_plane=3, services=Question.RESUME),
        ),
        Step(
            Stage.FINALIZING,
            "Finalize",
            calls=Calls(
                control_plane=3,
                register=3,
                tenant_database=1,
                secrets_manager=("BatchGetSecretValue",),
                services=Question.OBSTACLE,
            ),
        ),
    ),
    tenant=TenantOf.PROJECT,
    opens_in=(ProjectStatus.SUSPENDED, ProjectStatus.LEAVING),
    while_running=ProjectStatus.RESUMING,
    on_success=ProjectStatus.ACTIVE,
    on_failure=None,
    event="project.resumed",
    waits_in={ProjectStatus.SUSPENDING: SuspendInProgress},
)
