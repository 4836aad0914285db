"""The fields of a job type's form, derived from the JSON schema of its payload, and the payload that they make."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from console.formatting import field_words
from provisioning.jobs.declaration import Declaration
from provisioning.jobs.rules import read_schema

PROJECT = "Project"
"""The group of the fields at the top level of a payload."""


class Kind(StrEnum):
    """How a value is entered."""

    TEXT = "text"
    NUMBER = "number"
    CHOICE = "choice"
    CHECKBOX = "checkbox"
    DOCUMENT = "document"
    """A JSON document, written out."""


@dataclass(frozen=True)
class Field:
    """One value of a payload."""

    name: str
    """Its path in a refusal: "api_keys.count"."""
    group: str
    label: str
    kind: Kind
    value: Any
    """What the form proposes: the schema's example, or else its default."""
    choices: tuple[Any, ...] = ()
    hint: str = ""

    def parse(self, entered: Any) -> Any:
        """Return the value that was entered, None if empty. Raise ValueError, naming the broken rule."""
        value = entered.strip() if isinstance(entered, str) else entered
        if value in ("", None):
            return None
        try:
            if self.kind is Kind.NUMBER:
                return int(value)
            return json.loads(value) if self.kind is Kind.DOCUMENT else value
        except (ValueError, RecursionError):
            rule = "must be of type integer" if self.kind is Kind.NUMBER else "must be a JSON object"
            raise ValueError(rule) from None


def fields_of(declared: Declaration) -> list[Field]:
    """Return the fields of a job type's payload in the schema's order, the top level first."""
    schema = read_schema(declared.schema)
    found = list(_fields(schema, schema.get("definitions", {})))
    return sorted(found, key=lambda field: field.group != PROJECT)


def document_of(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the payload with these values, by their fields' names; None omits a field."""
    document: dict[str, Any] = {}
    for name, value in values.items():
        if value is not None:
            group, _, leaf = name.rpartition(".")
            (document.setdefault(group, {}) if group else document)[leaf] = value
    return document


def _fields(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> Iterator[Field]:
    for name, given in schema["properties"].items():
        rules = _resolved(given, definitions)
        if "properties" in rules:
            for leaf, below in rules["properties"].items():
                yield _field(f"{name}.{leaf}", _label(name, rules), leaf, _resolved(below, definitions))
        else:
            kind = _kind(rules)
            yield _field(name, _label(name, rules) if kind is Kind.DOCUMENT else PROJECT, name, rules)


def _field(path: str, group: str, name: str, rules: Mapping[str, Any]) -> Field:
    kind, label = _kind(rules), _label(name, rules)
    value = next(iter(rules.get("examples", ())), rules.get("default", "{}" if kind is Kind.DOCUMENT else ""))
    return Field(
        name=path,
        group=group,
        label=f"{label}, a JSON object" if kind is Kind.DOCUMENT else label,
        kind=kind,
        value=str(value) if kind is Kind.NUMBER else value,
        choices=tuple(rules.get("enum", ())),
        hint=rules.get("description", ""),
    )


def _kind(rules: Mapping[str, Any]) -> Kind:
    if "enum" in rules:
        return Kind.CHOICE
    kinds = {"boolean": Kind.CHECKBOX, "integer": Kind.NUMBER, "string": Kind.TEXT}
    return kinds.get(rules.get("type", "string"), Kind.DOCUMENT)


def _label(name: str, rules: Mapping[str, Any]) -> str:
    return str(rules.get("title", field_words(name)))


def _resolved(rules: Mapping[str, Any], definitions: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the rules merged with the definition that they refer to."""
    return {**definitions[rules["$ref"].rpartition("/")[2]], **rules} if "$ref" in rules else rules
