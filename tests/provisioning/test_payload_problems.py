"""All problems of a payload are found at once, and named in one line that repeats no value."""

import json
import re
from collections.abc import Callable
from typing import Any

import fastjsonschema
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from provisioning.errors import LONGEST_MESSAGE, InvalidPayload
from provisioning.jobs.payload import PROJECT_SCHEMA, PROVISION_SCHEMA, parse_payload
from provisioning.jobs.rules import PAYLOAD_MAXIMUM_BYTES, as_input, problems, read_schema
from tests.hostile_payloads import HOSTILE
from tests.state_machines import every_declaration

VALUE = "xq7Zk"
"""Part of every value that breaks a rule, and of no rule."""
KEPT: dict[str, Any] = {"project_id": "demo", "region": "us-east-1"}
BAD_VALUES: dict[str, Any] = {
    "project_id": f"{VALUE} ",
    "region": VALUE,
    "organization_id": [VALUE],
    "owner_id": f"{VALUE}\n",
    "database.engine": VALUE,
    "database.version": {VALUE: 18},
    "database.size": f"db.{VALUE}",
    "database.storage_gb": VALUE,
    "services.auth": VALUE,
    "services.pooler": [VALUE],
    "api_keys.count": VALUE,
    "api_keys.prefix": f"{VALUE} ",
    "retries": f"{VALUE}/",
    "plan_id": VALUE,
    "metadata": VALUE,
}
names = st.text(max_size=80).filter(lambda name: name not in read_schema(PROVISION_SCHEMA)["properties"])
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=5),
    max_leaves=20,
)
like_payloads = st.fixed_dictionaries(
    {},
    optional={name: json_values | st.just(KEPT.get(name)) for name in read_schema(PROVISION_SCHEMA)["properties"]},
)
every_schema = pytest.mark.parametrize("schema", [PROVISION_SCHEMA, PROJECT_SCHEMA])


def document_with(faults: dict[str, Any]) -> dict[str, Any]:
    """A payload that breaks a rule with the value of each of these fields."""
    document: dict[str, Any] = {**KEPT}
    for field, value in faults.items():
        parent, _, name = field.partition(".")
        if name:
            document.setdefault(parent, {})[name] = value
        else:
            document[parent] = value
    return document


def message(document: object, parse: Callable[[object], Any] = parse_payload) -> str:
    with pytest.raises(InvalidPayload) as refused:
        parse(document)
    return str(refused.value)


def test_all_problems_are_named_each_with_its_field_and_rule() -> None:
    document = {"region": 7, "database": {"version": "14", "": 1}, "services": {"auth": "yes"}, "": None, "b": 1}
    known = ", ".join(read_schema(PROVISION_SCHEMA)["properties"])
    assert [str(problem) for problem in problems(PROVISION_SCHEMA, document)] == [
        "project_id: is required",
        f'"": is not a known field (known are {known})',
        "b: is not a known field",
        "region: must be of type string",
        'database."": is not a known field (known are engine, version, size, storage_gb)',
        "database.version: must be one of 15, 16, 17, 18",
        "services.auth: must be of type boolean",
    ]


def test_the_problems_that_fit_are_in_the_message_and_the_rest_is_counted() -> None:
    assert message({"region": 7, "api_keys": {"count": 0}}) == (
        "project_id: is required; region: must be of type string; api_keys.count: must be at least 1"
    )
    many = message({f"field-{number}": number for number in range(1000)})
    assert many.startswith("project_id: is required; region: is required; field-0: is not a known field (known are ")
    assert re.fullmatch(r".*; field-3: is not a known field; and 996 more", many)


@given(st.sets(st.sampled_from(sorted(BAD_VALUES)), min_size=1))
def test_exactly_the_fields_that_break_a_rule_are_found(fields: set[str]) -> None:
    document = document_with({field: BAD_VALUES[field] for field in fields})
    assert sorted(problem.field for problem in problems(PROVISION_SCHEMA, document)) == sorted(fields)


@given(st.sets(st.sampled_from(sorted(BAD_VALUES)), min_size=1), st.dictionaries(names, st.just(VALUE), max_size=30))
@example(set(BAD_VALUES), {})
def test_a_message_is_one_short_line_without_values_that_counts_every_problem(
    fields: set[str], unknown: dict[str, str]
) -> None:
    document = document_with({field: BAD_VALUES[field] for field in fields}) | unknown
    line = message(document)
    assert line.isascii()
    assert line.isprintable()
    assert len(line) <= LONGEST_MESSAGE
    assert VALUE not in line
    found = [str(problem) for problem in problems(PROVISION_SCHEMA, document)]
    assert len(found) == len(fields) + len(unknown)
    left = re.fullmatch(r"(.*?)(?:; and ([0-9]+) more)?", line)
    assert left is not None
    named = len(found) - int(left[2] or 0)
    assert left[1] == "; ".join(found[:named])


@every_schema
@given(document=json_values | like_payloads)
def test_a_document_has_no_problem_exactly_if_it_keeps_its_schema(schema: str, document: Any) -> None:
    found = [problem for problem in problems(schema, document) if problem.field != "metadata"]
    rules = read_schema(schema)
    rules = rules | {"properties": rules["properties"] | {"metadata": {}}}
    try:
        fastjsonschema.compile(rules, use_default=False)(document)
        kept = True
    except fastjsonschema.JsonSchemaValueException:
        kept = False
    assert kept is (found == [])


@every_declaration
@given(document=json_values | like_payloads)
def test_a_job_type_parses_a_document_or_refuses_it_with_its_problems(declared: Any, document: Any) -> None:
    if problems(declared.schema, document):
        assert message(document, declared.parse)
    else:
        assert declared.parse(document).project_id == document["project_id"]


@pytest.mark.parametrize("hostile", HOSTILE, ids=lambda hostile: hostile.name)
def test_a_hostile_field_does_not_hide_the_problems_of_others(hostile: Any) -> None:
    document = json.loads(hostile.text)
    if not isinstance(document, dict):
        return
    document["a note"] = VALUE
    assert {hostile.field, '"a note"'} <= {problem.field for problem in problems(PROVISION_SCHEMA, document)}


def test_an_input_may_have_200_kib_and_no_byte_more() -> None:
    longest = {"note": "x" * (PAYLOAD_MAXIMUM_BYTES - len('{"note": ""}'))}
    assert len(as_input(longest)) == PAYLOAD_MAXIMUM_BYTES == 204_800
    with pytest.raises(InvalidPayload, match=r"^payload: must be at most 204800 bytes as JSON$"):
        as_input(longest | {"note": longest["note"] + "x"})


def test_characters_count_as_the_bytes_that_they_are_sent_in() -> None:
    with pytest.raises(InvalidPayload, match="bytes as JSON"):
        as_input({"note": "\N{GRINNING FACE}" * (PAYLOAD_MAXIMUM_BYTES // 12)})


@pytest.mark.parametrize(
    ("typo", "named"),
    [
        ({"servces": {}}, "servces: is not a known field, did you mean services? (known are project_id, "),
        (
            {"services": {"Strage": True}},
            "services.Strage: is not a known field, did you mean storage? (known are auth, ",
        ),
        ({"database": {"engine": "postgres"}}, "database.engine: must be one of postgresql, did you mean postgresql?"),
    ],
)
def test_a_typo_is_answered_with_the_nearest_valid_name(typo: dict[str, Any], named: str) -> None:
    with pytest.raises(InvalidPayload) as raised:
        parse_payload({"project_id": "p", "region": "us-east-1"} | typo)
    assert str(raised.value).startswith(named)
