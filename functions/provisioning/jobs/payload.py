"""The payload of a provision_project job: parsed once, at the door, into types that the stages can trust."""

import functools
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, cast

from provisioning.errors import InvalidPayload
from provisioning.stage import Service

SCHEMA_FILE = Path(__file__).with_name("provision_project.schema.json")
METADATA_MAXIMUM_BYTES = 16 * 1024
METADATA_MAXIMUM_DEPTH = 16


class DatabaseRequest(NamedTuple):
    """The database that is asked for."""

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

    def as_document(self) -> dict[str, Any]:
        """Returns the payload in the shape in which it came, with every default filled in that does not depend on
        the project's record.
        """
        document = {name: value for name, value in self._asdict().items() if value is not None}
        document["database"] = self.database._asdict()
        document["services"] = {str(service): wanted for service, wanted in self.services.items()}
        document["api_keys"] = {"count": document.pop("api_key_count"), "prefix": document.pop("api_key_prefix")}
        return document


def parse_payload(document: object) -> Payload:
    """Returns the typed payload. Raises InvalidPayload with a message that names the field and the rule it breaks."""
    fields = _keep_schema(document)
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
        metadata=_keep_metadata(fields.get("metadata", {})),
    )


def payload_from_record(document: Mapping[str, Any]) -> Payload:
    """Returns the payload that as_document() wrote; it was checked when the job was opened and is not checked again."""
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
    )


def _keep_schema(document: object) -> dict[str, Any]:
    from fastjsonschema import JsonSchemaValueException

    try:
        _validator()(document)
    except JsonSchemaValueException as violation:
        raise InvalidPayload(_describe(violation.path, violation.rule, violation.rule_definition, violation)) from None
    return cast("dict[str, Any]", document)


@functools.cache
def _validator() -> Callable[[object], object]:
    import fastjsonschema

    schema = json.loads(SCHEMA_FILE.read_text())
    return cast("Callable[[object], object]", fastjsonschema.compile(schema, use_default=False))


def _describe(path: list[str], rule: str | None, definition: object, violation: Any) -> str:
    field = ".".join(path[1:]) or "payload"
    if rule == "required":
        missing = [name for name in cast("list[str]", definition) if name not in violation.value]
        return f"{_join(path, missing[0])}: is required"
    if rule == "additionalProperties":
        known = violation.definition["properties"]
        unknown = next(name for name in violation.value if name not in known)
        return f"{_join(path, _printable(unknown))}: is not a known field (known are {', '.join(known)})"
    rules = {
        "type": f"must be of type {definition}",
        "enum": f"must be one of {', '.join(map(str, cast('list[object]', definition)))}" if rule == "enum" else "",
        "pattern": f"must match {definition}",
        "minimum": f"must be at least {definition}",
        "maximum": f"must be at most {definition}",
    }
    return f"{field}: {rules.get(str(rule), f'breaks the rule {rule}')}"


def _join(path: list[str], name: str) -> str:
    return ".".join([*path[1:], name])


def _printable(name: str) -> str:
    return ascii(name)[1:-1][:64]


def _keep_metadata(metadata: Mapping[str, Any]) -> dict[str, Any]:
    if _depth(metadata) > METADATA_MAXIMUM_DEPTH:
        raise InvalidPayload(f"metadata: must not be nested deeper than {METADATA_MAXIMUM_DEPTH} levels")
    try:
        encoded = json.dumps(metadata, allow_nan=False, ensure_ascii=False).encode()
    except ValueError:
        raise InvalidPayload("metadata: must hold no NaN, Infinity or lone surrogate") from None
    if len(encoded) > METADATA_MAXIMUM_BYTES:
        raise InvalidPayload(f"metadata: must be at most {METADATA_MAXIMUM_BYTES} bytes as JSON")
    if rb"\u0000" in encoded.replace(rb"\\", b""):
        raise InvalidPayload("metadata: must hold no NUL character")
    return dict(metadata)


def _depth(value: object) -> int:
    """Counts levels without recursion, so that no input can exhaust the stack."""
    deepest = 0
    waiting: list[tuple[object, int]] = [(value, 1)]
    while waiting:
        current, level = waiting.pop()
        if isinstance(current, dict | list):
            deepest = max(deepest, level)
            children = current.values() if isinstance(current, dict) else current
            waiting.extend((child, level + 1) for child in children)
    return deepest
