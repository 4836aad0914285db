"""The job that gives a project its tenant, its registrations and its API keys."""

from provisioning.jobs.declaration import Declaration, JobType, ProjectStatus, Step, TenantOf
from provisioning.jobs.payload import PROVISION_SCHEMA, parse_payload
from provisioning.stage import Service, Stage

DROP, DEREGISTER, REVOKE = "Drop tenant database", "Deregister services", "Revoke API keys"

PROVISION_PROJECT = Declaration(
    JobType("provision_project"),
    summary="Give a project its database, its registrations and its API keys.",
    command="provision run EVENT",
    parse=parse_payload,
    schema=PROVISION_SCHEMA,
    steps=(
        Step(Stage.INITIALIZING, "Verify project"),
        Step(Stage.CREATING_DATABASE, "Create tenant database", DROP),
        Step(Stage.CREATING_SCHEMA, "Create tenant schema", DROP),
        *(Step(service.stage, f"Register {service}", DEREGISTER) for service in Service),
        Step(Stage.GENERATING_API_KEYS, "Generate API keys", REVOKE),
        Step(Stage.FINALIZING, "Finalize"),
    ),
    tenant=TenantOf.NEW,
    opens_in=(ProjectStatus.CREATED, ProjectStatus.FAILED),
    while_running=ProjectStatus.PROVISIONING,
    on_success=ProjectStatus.ACTIVE,
    on_failure=ProjectStatus.FAILED,
    event="project.provisioned",
    adds=True,
)
