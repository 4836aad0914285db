"""The result of a provision_project job: ids and references, never a secret."""

from typing import TypedDict


class DatabaseResult(TypedDict):
    """Where the tenant's database is."""

    host: str
    port: int
    name: str
    schema: str
    engine: str
    version: str
    size: str


class ServiceResult(TypedDict):
    """How a service knows the tenant."""

    external_id: str
    endpoint: str
    registered_at: str


class ApiKeyResult(TypedDict):
    """What may be shown of a key: never the key."""

    key_id: str
    kind: str
    prefix: str
    hint: str
    created_at: str


class ResultMetadata(TypedDict):
    """When, where and for whom. The duration is in milliseconds, from opening the job to marking the project active."""

    provisioned_at: str
    region: str
    owner_id: str
    organization_id: str
    job_id: str
    duration_ms: int
    attempts: int


class ProvisionResult(TypedDict):
    """What a succeeded execution returns."""

    project_id: str
    tenant_id: str
    database: DatabaseResult
    services: dict[str, ServiceResult]
    api_keys: list[ApiKeyResult]
    secret_arn: str
    metadata: ResultMetadata
