"""The job that gives a project its tenant, its registrations and its API keys."""

from provisioning.jobs.declaration import Declaration, JobType, ProjectStatus, Step
from provisioning.stage import Service, Stage

DROP, DEREGISTER, REVOKE = "Drop tenant database", "Deregister services", "Revoke API keys"

PROVISION_PROJECT = Declaration(
    JobType.PROVISION_PROJECT,
    steps=(
        Step(Stage.INITIALIZING, "Verify project"),
        Step(Stage.CREATING_DATABASE, "Create tenant database", DROP),
        Step(Stage.CREATING_SCHEMA, "Create tenant schema", DROP),
        *(Step(service.stage, f"Register {service}", DEREGISTER) for service in Service),
        Step(Stage.GENERATING_API_KEYS, "Generate API keys", REVOKE),
        Step(Stage.FINALIZING, "Finalize"),
    ),
    opens_in=(ProjectStatus.CREATED, ProjectStatus.FAILED),
    while_running=ProjectStatus.PROVISIONING,
    on_success=ProjectStatus.ACTIVE,
    on_failure=ProjectStatus.FAILED,
)
