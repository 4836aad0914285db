"""The job that gives a project its tenant, its registrations and its API keys."""

from provisioning.jobs.calls import Calls, Question
from provisioning.jobs.declaration import Declaration, JobType, ProjectStatus, Step, TenantOf
from provisioning.jobs.payload import PROVISION_SCHEMA, parse_payload
from provisioning.stage import Service, Stage

DROP, DEREGISTER, REVOKE = "Drop tenant database", "Deregister services", "Revoke API keys"

PROVISION_PROJECT = Declaration(
    JobType("provision_project"),
    summary="Give a project its database, its registrations and its API keys.",
    command="provision create PROJECT",
    parse=parse_payload,
    schema=PROVISION_SCHEMA,
    steps=(
        Step(Stage.INITIALIZING, "Verify project"),
        Step(
            Stage.CREATING_DATABASE,
            "Create tenant database",
            DROP,
            # The claim, which also returns whether the database exists.
            calls=Calls(register=1),
            # Once more to the ledger when the tenant's lock is held: an attempt that waited for it may be superseded.
            # The lock, the claim, the roles, the database, its privileges, and the lock's release: CREATE DATABASE runs
            # in no transaction.
            calls_from_nothing=Calls(control_plane=3, register=6, secrets_manager=("CreateSecret",)),
        ),
        Step(
            Stage.CREATING_SCHEMA,
            "Create tenant schema",
            DROP,
            # What exists, the platform's part, the allowed extensions, and the file of the schema. Whether the admin
            # may make the extensions that the tenant may not.
            calls_from_nothing=Calls(register=1, tenant_database=4, secrets_manager=("GetSecretValue",)),
        ),
        *(
            Step(service.stage, f"Register {service}", DEREGISTER, calls=Calls(services=Question.REGISTER))
            for service in Service
        ),
        Step(Stage.GENERATING_API_KEYS, "Generate API keys", REVOKE, calls=Calls(secrets_manager=("CreateSecret",))),
        Step(
            Stage.FINALIZING,
            "Finalize",
            # The recorded hashes of the keys, the schema's version, read with the issued credentials, and the register,
            # which records that the tenant is live. The credentials and the keys, which are proven.
            calls=Calls(
                control_plane=3,
                register=1,
                tenant_database=1,
                secrets_manager=("BatchGetSecretValue",),
                services=Question.OBSTACLE,
            ),
        ),
    ),
    tenant=TenantOf.NEW,
    opens_in=(ProjectStatus.CREATED, ProjectStatus.FAILED),
    while_running=ProjectStatus.PROVISIONING,
    on_success=ProjectStatus.ACTIVE,
    on_failure=ProjectStatus.FAILED,
    event="project.provisioned",
    adds=True,
    # Besides the three of every type, "Register services" and "All services registered?".
    other_states=5,
)
