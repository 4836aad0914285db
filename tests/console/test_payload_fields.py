"""The form of each job type follows the JSON schema of its payload."""

from typing import Any

import pytest

from console.payload_fields import PROJECT, Field, Kind, document_of, fields_of
from provisioning.jobs.declaration import Declaration
from provisioning.jobs.provision_project import PROVISION_PROJECT
from provisioning.jobs.registry import DECLARATIONS
from provisioning.jobs.rules import read_schema
from provisioning.stage import Service

every_type = pytest.mark.parametrize("declared", DECLARATIONS.values(), ids=DECLARATIONS)


def field(name: str, declared: Declaration = PROVISION_PROJECT) -> Field:
    (found,) = [one for one in fields_of(declared) if one.name == name]
    return found


@every_type
def test_every_property_of_the_payload_has_its_field(declared: Declaration) -> None:
    properties = read_schema(declared.schema)["properties"]
    wanted = {
        f"{name}.{below}" if below else name
        for name, rules in properties.items()
        for below in rules.get("properties", [""])
    }
    assert {one.name for one in fields_of(declared)} == wanted


@every_type
def test_what_the_form_proposes_is_a_payload_once_the_project_is_named(declared: Declaration) -> None:
    values = {one.name: one.parse(one.value) for one in fields_of(declared)}
    document = document_of(values | {"project_id": "some-project"})
    assert declared.parse(document).project_id == "some-project"


@every_type
def test_fields_of_one_group_stand_together_and_the_projects_come_first(declared: Declaration) -> None:
    groups = [one.group for one in fields_of(declared)]
    assert groups[0] == PROJECT
    assert len(dict.fromkeys(groups)) == sum(one != before for one, before in zip(groups, ["", *groups], strict=False))


@pytest.mark.parametrize("service", Service)
def test_a_boolean_is_a_checkbox_that_is_checked_as_the_schema_proposes(service: Service) -> None:
    asked = field(f"services.{service}")
    assert (asked.kind, asked.label, asked.group, asked.value) == (
        Kind.CHECKBOX,
        service.capitalize(),
        "Services",
        True,
    )


def test_an_enumeration_is_a_choice_with_its_default() -> None:
    asked = field("database.version")
    assert (asked.kind, asked.choices, asked.value) == (Kind.CHOICE, ("15", "16", "17", "18"), "18")


def test_an_object_without_properties_is_a_document() -> None:
    asked = field("metadata")
    assert (asked.kind, asked.label, asked.value) == (Kind.DOCUMENT, "Metadata, a JSON object", "{}")


def test_a_field_is_called_by_its_title_and_explained_by_its_description() -> None:
    assert field("database.storage_gb").label == "Storage in GB"
    assert field("organization_id").hint == "The project's own when empty."


@pytest.mark.parametrize(
    ("name", "entered", "value"),
    [
        ("project_id", " p ", "p"),
        ("project_id", " ", None),
        ("api_keys.count", "3", 3),
        ("services.auth", False, False),
        ("metadata", '{"a": 1}', {"a": 1}),
    ],
)
def test_what_is_entered_becomes_the_value_of_its_type(name: str, entered: Any, value: Any) -> None:
    assert field(name).parse(entered) == value


@pytest.mark.parametrize(
    ("name", "entered", "rule"),
    [
        ("api_keys.count", "x", "of type integer"),
        ("metadata", "{", "a JSON object"),
        ("metadata", "[" * 9999, "a JSON"),
    ],
)
def test_what_is_not_of_its_type_is_refused_with_the_rule(name: str, entered: str, rule: str) -> None:
    with pytest.raises(ValueError, match=f"must be {rule}"):
        field(name).parse(entered)
