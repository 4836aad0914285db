"""A job as the stages see it: the payload it was opened with, and the tenant that was chosen for it."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from provisioning.control_plane import Cluster
from provisioning.identity import Tenant
from provisioning.stage import Service

if TYPE_CHECKING:
    from provisioning.jobs.declaration import JobType
    from provisioning.jobs.payload import Payload


class Job(NamedTuple):
    """One execution of the state machine for one project. Its id is the execution's name."""

    job_id: str
    job_type: "JobType"
    project_id: str
    organization_id: str
    owner_id: str
    document: Mapping[str, Any]
    tenant: Tenant
    registered: tuple[Service, ...] = ()
    """The services that the tenant is registered with."""

    @property
    def payload(self) -> "Payload":
        """The payload that the job was opened with."""
        from provisioning.jobs.payload import payload_from_record

        return payload_from_record(self.document)

    @property
    def cluster(self) -> Cluster:
        """The cluster that the tenant lives on."""
        return self.tenant.cluster
