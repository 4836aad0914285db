"""The rules for a payload: its JSON schema, and the limits of its metadata that no schema can express."""

import functools
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

from provisioning.errors import InvalidPayload

METADATA_MAXIMUM_BYTES = 16 * 1024
METADATA_MAXIMUM_DEPTH = 16


def keep_schema(schema: str, document: object) -> dict[str, Any]:
    """Return the document. Raise InvalidPayload when it breaks a rule of the schema, a file beside this one."""
    from fastjsonschema import JsonSchemaValueException

    try:
        _validator(schema)(document)
    except JsonSchemaValueException as violation:
        raise InvalidPayload(_describe(violation.path, violation.rule, violation.rule_definition, violation)) from None
    return cast("dict[str, Any]", document)


@functools.cache
def _validator(schema: str) -> Callable[[object], object]:
    import fastjsonschema

    return cast("Callable[[object], object]", fastjsonschema.compile(read_schema(schema), use_default=False))


def read_schema(schema: str) -> dict[str, Any]:
    """Return a JSON schema, a file beside this one."""
    rules: dict[str, Any] = json.loads(Path(__file__).with_name(schema).read_text())
    return rules


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


def keep_metadata(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Return the metadata. Raise InvalidPayload for what is too large, too deep, or cannot be kept as JSON."""
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
    """Count levels without recursion, so that no input can exhaust the stack."""
    deepest = 0
    waiting: list[tuple[object, int]] = [(value, 1)]
    while waiting:
        current, level = waiting.pop()
        if isinstance(current, dict | list):
            deepest = max(deepest, level)
            children = current.values() if isinstance(current, dict) else current
            waiting.extend((child, level + 1) for child in children)
    return deepest
