"""A job as the stages see it: the payload it was opened with, and the cluster that was picked for it."""

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from provisioning.control_plane import Cluster, Row
from provisioning.naming import TenantNames, tenant_names
from provisioning.stage import Service

if TYPE_CHECKING:
    from provisioning.payload import Payload


class Job(NamedTuple):
    """One execution of the state machine for one project. Its id is the execution's name."""

    job_id: str
    project_id: str
    organization_id: str
    owner_id: str
    document: Mapping[str, Any]
    cluster: Cluster
    created_at: datetime
    secret_arn: str | None
    prepared: dict[str, Any] | None = None
    """What "Create tenant schema" answers of a database that came from the pool with its schema."""

    @property
    def payload(self) -> "Payload":
        """The payload that the job was opened with."""
        from provisioning.payload import payload_from_record

        return payload_from_record(self.document)

    @property
    def names(self) -> TenantNames:
        """The names of the tenant's database, roles and secret."""
        return tenant_names(self.project_id)

    @property
    def mark(self) -> str:
        """What is written on everything this job creates, and looked for before anything is changed or removed."""
        return f"provisioner project={self.project_id} job={self.job_id}"

    def idempotency_key(self, service: Service) -> str:
        """The key under which this job, and only this job, registers with a service."""
        return idempotency_key(self.job_id, service)


def idempotency_key(job_id: str, service: Service) -> str:
    """Returns the key under which a job registers with a service."""
    import uuid

    # Step Functions takes names that no header can carry.
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"provisioner/{job_id}/{service}"))


def job_from_record(record: Row) -> Job:
    """Returns the job that a row of find_claim.sql or start_rollback.sql describes."""
    return Job(
        job_id=record["job_id"],
        project_id=record["project_id"],
        organization_id=record["organization_id"],
        owner_id=record["owner_id"],
        document=record["payload"],
        cluster=Cluster(**record["cluster"]),
        created_at=record["created_at"],
        secret_arn=record["secret_arn"],
        prepared=record.get("prepared"),
    )
