"""The rules for a payload: its JSON schema, its size, and the limits of its metadata that no schema can express."""

import functools
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast

from typing_extensions import override

from provisioning.errors import LONGEST_MESSAGE, InvalidPayload

METADATA_MAXIMUM_BYTES = 16 * 1024
METADATA_MAXIMUM_DEPTH = 16
PAYLOAD_MAXIMUM_BYTES = 200 * 1024
"""An execution whose state exceeds 262,144 bytes ends without a word, and its state has more in it than the payload:
https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html
"""
MOST_NAMED = 20
PLAIN_NAME = re.compile("[A-Za-z0-9_-]+")


class Problem(NamedTuple):
    """A rule that a payload breaks. It never repeats a value."""

    field: str
    """Its path in the payload, such as "api_keys.count"; "payload" for the whole."""
    rule: str

    @override
    def __str__(self) -> str:
        return f"{self.field}: {self.rule}"


def as_input(payload: object) -> str:
    """Return the payload as the input of an execution. Raise InvalidPayload if it is too large to be sent."""
    text = json.dumps(payload)
    if len(text.encode()) > PAYLOAD_MAXIMUM_BYTES:
        raise InvalidPayload(f"payload: must be at most {PAYLOAD_MAXIMUM_BYTES} bytes as JSON")
    return text


def keep_rules(schema: str, document: object) -> dict[str, Any]:
    """Return the document. Raise InvalidPayload for one with problems; the message says how many it does not name."""
    if found := problems(schema, document):
        raise InvalidPayload(_in_one_line(found))
    return cast("dict[str, Any]", document)


def problems(schema: str, document: object) -> list[Problem]:
    """Return every rule that a document breaks, of the schema, a file beside this one, and of its metadata."""
    rules = read_schema(schema)
    violation = _violation(rules, document)
    found: list[Problem] = []
    if violation is not None:
        # fastjsonschema stops at the first violation.
        found += _broken(rules, rules, "", document)
        found = found or [_described("", violation)]
    metadata = document.get("metadata") if isinstance(document, dict) else None
    if isinstance(metadata, dict) and (rule := _broken_by_metadata(metadata)):
        found.append(Problem("metadata", rule))
    return found


@functools.cache
def read_schema(schema: str) -> dict[str, Any]:
    """Return a JSON schema, a file beside this one."""
    rules: dict[str, Any] = json.loads(Path(__file__).with_name(schema).read_text())
    return rules


def _in_one_line(found: list[Problem]) -> str:
    lines = [
        "; ".join(map(str, found[:named])) + (f"; and {len(found) - named} more" if named < len(found) else "")
        for named in range(min(len(found), MOST_NAMED), 0, -1)
    ]
    return next((line for line in lines if len(line) <= LONGEST_MESSAGE), lines[-1])


def _broken(schema: Mapping[str, Any], rules: Mapping[str, Any], field: str, value: object) -> Iterator[Problem]:
    """Yield what a part of a document breaks: by its own rules or, if it keeps those, by the rules of its fields."""
    if "$ref" in rules:
        rules = schema["definitions"][rules["$ref"].rpartition("/")[2]]
    known = rules.get("properties", {})
    own = {name: rule for name, rule in rules.items() if name not in ("properties", "required", "additionalProperties")}
    if violation := _violation(own, value):
        yield _described(field, violation)
    elif known and isinstance(value, dict):
        within = f"{field}." if field else ""
        for name in (name for name in rules.get("required", []) if name not in value):
            yield Problem(within + name, "is required")
        names = f" (known are {', '.join(known)})"
        for number, name in enumerate(name for name in value if name not in known):
            # No message names more.
            near = _did_you_mean(name, known) if number < MOST_NAMED else ""
            yield Problem(within + _printable(name), f"is not a known field{near}{'' if number else names}")
        for name in (name for name in known if name in value):
            yield from _broken(schema, known[name], within + name, value[name])


def _violation(rules: Mapping[str, Any], value: object) -> Any:
    from fastjsonschema import JsonSchemaValueException

    try:
        _compiled(json.dumps(rules))(value)
    except JsonSchemaValueException as violation:
        return violation
    return None


@functools.cache
def _compiled(rules: str) -> Callable[[object], object]:
    import fastjsonschema

    return cast("Callable[[object], object]", fastjsonschema.compile(json.loads(rules), use_default=False))


def _described(field: str, violation: Any) -> Problem:
    rule, definition = violation.rule, violation.rule_definition
    described = {
        "type": f"must be of type {definition}",
        "enum": _enumerated(violation.value, definition) if rule == "enum" else "",
        "pattern": f"must match {definition}",
        "minimum": f"must be at least {definition}",
        "maximum": f"must be at most {definition}",
    }
    return Problem(field or "payload", described.get(rule, f"breaks the rule {rule}"))


def _enumerated(value: object, allowed: Sequence[object]) -> str:
    names = [str(one) for one in allowed]
    return f"must be one of {', '.join(names)}{_did_you_mean(value, names)}"


def _did_you_mean(wrong: object, names: Iterable[str]) -> str:
    """Return a question that names what a typo may have meant, never the typo itself; nothing if no name is near."""
    import difflib

    near = difflib.get_close_matches(str(wrong)[:64].lower(), names, 1)
    return f", did you mean {near[0]}?" if near else ""


def _printable(name: str) -> str:
    if PLAIN_NAME.fullmatch(name):
        return name[:64]
    return f'"{ascii(name[:64])[1:-1][:64]}"'


def _broken_by_metadata(metadata: Mapping[str, Any]) -> str:
    """Return the rule that metadata breaks by being too large or too deep, or that keeps it from being stored."""
    if _depth(metadata) > METADATA_MAXIMUM_DEPTH:
        return f"must not be nested deeper than {METADATA_MAXIMUM_DEPTH} levels"
    try:
        encoded = json.dumps(metadata, allow_nan=False, ensure_ascii=False).encode()
    except ValueError:
        return "must hold no NaN, Infinity or lone surrogate"
    if len(encoded) > METADATA_MAXIMUM_BYTES:
        return f"must be at most {METADATA_MAXIMUM_BYTES} bytes as JSON"
    return "must hold no NUL character" if rb"\u0000" in encoded.replace(rb"\\", b"") else ""


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
