"""The result of a provision_project job: ids and references, never a secret."""

from typing import Any, TypedDict


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


def result_from_record(record: dict[str, Any]) -> ProvisionResult:
    """Return the result that the query record_result has put together."""
    return ProvisionResult(
        project_id=record["project_id"],
        tenant_id=record["tenant_id"],
        database=record["database"],
        services=record["services"],
        api_keys=record["api_keys"],
        secret_arn=record["secret_arn"],
        metadata=record["metadata"],
    )
