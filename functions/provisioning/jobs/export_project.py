"""The job that exports a project's tenant: a dump in an object, with a manifest. The project stays as it is."""

from provisioning.jobs.calls import Calls
from provisioning.jobs.declaration import Declaration, JobType, ProjectStatus, Step, TenantOf
from provisioning.jobs.payload import PROJECT_SCHEMA, parse_project_payload
from provisioning.stage import Stage

EXPORT_PROJECT = Declaration(
    JobType("export_project"),
    summary="Dump a project's database into the bucket of exports.",
    command="provision export PROJECT",
    parse=parse_project_payload,
    schema=PROJECT_SCHEMA,
    steps=(
        Step(Stage.INITIALIZING, "Verify project"),
        Step(
            Stage.EXPORTING_DATABASE,
            "Export tenant database",
            "Remove export",
            "an unfinished export",
            calls=Calls(
                control_plane=6,
                register=20,
                secrets_manager=("CreateSecret", "DescribeSecret", "DeleteSecret", "DescribeSecret"),
                unknown=("PostgreSQL tenant database", "S3"),
            ),
        ),
        Step(Stage.FINALIZING, "Finalize"),
    ),
    tenant=TenantOf.PROJECT,
    opens_in=(ProjectStatus.ACTIVE, ProjectStatus.SUSPENDED),
    while_running=None,
    on_success=None,
    on_failure=None,
    event="project.exported",
)
