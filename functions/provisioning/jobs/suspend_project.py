"""The job that closes a project's tenant to everybody and keeps its data."""

from provisioning.jobs.calls import Calls, Question
from provisioning.jobs.declaration import Declaration, JobType, ProjectStatus, Step, TenantOf
from provisioning.jobs.payload import PROJECT_SCHEMA, parse_project_payload
from provisioning.stage import Stage

SUSPEND_PROJECT = Declaration(
    JobType("suspend_project"),
    summary="Close a project's database to everybody and keep its data.",
    command="provision suspend PROJECT",
    parse=parse_project_payload,
    schema=PROJECT_SCHEMA,
    steps=(
        Step(Stage.INITIALIZING, "Verify project"),
        Step(
            Stage.SUSPENDING_ACCESS,
            "Suspend tenant access",
            "Restore tenant access",
            "a closed tenant",
            # Of a tenant that nobody is in: each look at a session that has not ended yet is one more.
            calls=Calls(control_plane=5, register=31),
        ),
        Step(
            Stage.SUSPENDING_SERVICES,
            "Suspend services",
            "Resume services",
            "suspended services",
            calls=Calls(control_plane=3, services=Question.SUSPEND),
        ),
        Step(Stage.FINALIZING, "Finalize", calls=Calls(control_plane=3, register=4)),
    ),
    tenant=TenantOf.PROJECT,
    opens_in=(ProjectStatus.ACTIVE,),
    while_running=ProjectStatus.SUSPENDING,
    on_success=ProjectStatus.SUSPENDED,
    on_failure=ProjectStatus.ACTIVE,
    event="project.suspended",
)
