"""Job payloads, parsed once on entry into types that the stages can trust."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from provisioning.jobs.rules import keep_rules
from provisioning.stage import Service, Stage

PROVISION_SCHEMA = "provision_project.schema.json"
PROJECT_SCHEMA = "project.schema.json"


class Placement(NamedTuple):
    """What a cluster must provide for a new tenant."""

    region: str
    engine: str
    version: str
    size: str


NOWHERE = Placement("", "", "", "")
"""For a job that works on its project's existing tenant: no cluster matches it."""


class ProjectPayload(NamedTuple):
    """The payload of a job that needs only its project: it keeps every rule of project.schema.json."""

    project_id: str
    organization_id: str | None
    owner_id: str | None
    metadata: dict[str, Any]
    retries: str | None = None
    """The job with an incomplete rollback that this one replaces."""
    plan_id: str | None = None
    """The plan that the job keeps."""

    @property
    def placement(self) -> Placement:
        """Nowhere: the job works on its project's existing tenant."""
        return NOWHERE

    @property
    def storage_gb(self) -> None:
        """None: the job asks for no storage."""
        return None

    @property
    def skipped(self) -> set[Stage]:
        """No stage is skipped."""
        return set()

    def as_document(self) -> dict[str, Any]:
        """Return the payload in its original shape."""
        return {name: value for name, value in self._asdict().items() if value is not None}


class DatabaseRequest(NamedTuple):
    """The requested database."""

    engine: str = "postgresql"
    version: str = "18"
    size: str = "db.t3.micro"
    storage_gb: int = 20


class Payload(NamedTuple):
    """A payload that keeps every rule of provision_project.schema.json."""

    project_id: str
    region: str
    organization_id: str | None
    owner_id: str | None
    database: DatabaseRequest
    services: dict[Service, bool]
    api_key_count: int
    api_key_prefix: str
    metadata: dict[str, Any]
    retries: str | None = None
    """The job with an incomplete rollback that this one replaces."""
    plan_id: str | None = None
    """The plan that the job keeps."""

    @property
    def placement(self) -> Placement:
        """What the cluster of the new tenant must provide."""
        return Placement(self.region, self.database.engine, self.database.version, self.database.size)

    @property
    def storage_gb(self) -> int:
        """How much storage the job asks for."""
        return self.database.storage_gb

    @property
    def skipped(self) -> set[Stage]:
        """The stages of the services that are not wanted."""
        return {service.stage for service in Service if not self.services[service]}

    def as_document(self) -> dict[str, Any]:
        """Return the payload in its original shape, with the defaults that do not depend on the project's record."""
        document = {name: value for name, value in self._asdict().items() if value is not None}
        document["database"] = self.database._asdict()
        document["services"] = {str(service): wanted for service, wanted in self.services.items()}
        document["api_keys"] = {"count": document.pop("api_key_count"), "prefix": document.pop("api_key_prefix")}
        return document


def parse_payload(document: object) -> Payload:
    """Return the typed payload. Raise InvalidPayload with a message that names each field and the rule it breaks."""
    fields = keep_rules(PROVISION_SCHEMA, document)
    project_id = fields["project_id"]
    database = fields.get("database", {})
    services = fields.get("services", {})
    api_keys = fields.get("api_keys", {})
    return Payload(
        project_id=project_id,
        region=fields["region"],
        organization_id=fields.get("organization_id"),
        owner_id=fields.get("owner_id"),
        database=DatabaseRequest(**{**database, "storage_gb": int(database.get("storage_gb", 20))}),
        services={service: services.get(str(service), False) for service in Service},
        api_key_count=int(api_keys.get("count", 2)),
        api_key_prefix=api_keys.get("prefix", project_id.replace("_", "-")[:32]),
        metadata=dict(fields.get("metadata", {})),
        retries=fields.get("retries"),
        plan_id=fields.get("plan_id"),
    )


def payload_from_record(document: Mapping[str, Any]) -> Payload:
    """Return the payload that as_document() wrote; it was validated when the job opened and is not validated again."""
    return Payload(
        project_id=document["project_id"],
        region=document["region"],
        organization_id=document.get("organization_id"),
        owner_id=document.get("owner_id"),
        database=DatabaseRequest(**document["database"]),
        services={service: document["services"].get(str(service), False) for service in Service},
        api_key_count=document["api_keys"]["count"],
        api_key_prefix=document["api_keys"]["prefix"],
        metadata=document["metadata"],
        retries=document.get("retries"),
        plan_id=document.get("plan_id"),
    )


def parse_project_payload(document: object) -> ProjectPayload:
    """Return the typed payload. Raise InvalidPayload with a message that names each field and the rule it breaks."""
    fields = keep_rules(PROJECT_SCHEMA, document)
    return ProjectPayload(
        project_id=fields["project_id"],
        organization_id=fields.get("organization_id"),
        owner_id=fields.get("owner_id"),
        metadata=dict(fields.get("metadata", {})),
        retries=fields.get("retries"),
        plan_id=fields.get("plan_id"),
    )
