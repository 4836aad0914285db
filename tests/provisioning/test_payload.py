import json
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioning.errors import InvalidPayload
from provisioning.jobs.payload import parse_payload, parse_project_payload, payload_from_record
from provisioning.jobs.rules import METADATA_MAXIMUM_BYTES, METADATA_MAXIMUM_DEPTH
from provisioning.stage import Service
from tests.field_values import DEEPEST_METADATA, HARMLESS_PROJECT_IDS, METADATA_BYTES, nested
from tests.hostile_payloads import HOSTILE, Hostile
from tests.provisioning.test_payload_schemas import ONLY_TO_PROVISION

Parse = Callable[[object], Any]

MINIMAL = {"project_id": "demo", "region": "us-east-1"}
LONGEST_MESSAGE = 300


def without_region(hostile: Hostile) -> Hostile:
    """The same for a job that needs only its project: for it, a field of the other schema is unknown."""
    document = json.loads(hostile.text)
    if isinstance(document, dict) and hostile.field != "region":
        document.pop("region", None)
    parent = hostile.field.partition(".")[0]
    return Hostile(hostile.name, json.dumps(document), parent if parent in ONLY_TO_PROVISION else hostile.field)


HOSTILE_TO_PROJECT = [without_region(hostile) for hostile in HOSTILE if hostile.name != "region missing"]
every_hostile = pytest.mark.parametrize(
    ("parse", "hostile"),
    [
        *(pytest.param(parse_payload, hostile, id=hostile.name) for hostile in HOSTILE),
        *(pytest.param(parse_project_payload, one, id=f"{one.name}, of a project") for one in HOSTILE_TO_PROJECT),
    ],
)

identifiers = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", fullmatch=True)
regions = st.from_regex(r"[a-z]{2,4}(-[a-z]{2,9}){1,2}-[1-9][0-9]?", fullmatch=True)
job_ids = st.from_regex(r"[A-Za-z0-9._-]{1,80}", fullmatch=True)
plan_ids = st.from_regex(r"[0-9a-f]{64}", fullmatch=True)
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=10,
)
payloads = st.fixed_dictionaries(
    {"project_id": identifiers, "region": regions},
    optional={
        "organization_id": identifiers,
        "owner_id": identifiers,
        "database": st.fixed_dictionaries(
            {},
            optional={
                "engine": st.just("postgresql"),
                "version": st.sampled_from(["15", "16", "17", "18"]),
                "size": st.from_regex(r"db\.[a-z0-9]{2,16}\.[a-z0-9]{2,16}", fullmatch=True),
                "storage_gb": st.integers(1, 1000),
            },
        ),
        "services": st.dictionaries(st.sampled_from([str(service) for service in Service]), st.booleans()),
        "api_keys": st.fixed_dictionaries(
            {},
            optional={
                "count": st.integers(1, 10),
                "prefix": st.from_regex(r"[A-Za-z0-9-]{1,32}", fullmatch=True),
            },
        ),
        "metadata": st.dictionaries(texts, json_values, max_size=3),
        "retries": job_ids,
        "plan_id": plan_ids,
    },
)
project_payloads = st.fixed_dictionaries(
    {"project_id": identifiers},
    optional={
        "organization_id": identifiers,
        "owner_id": identifiers,
        "metadata": st.dictionaries(texts, json_values, max_size=3),
        "retries": job_ids,
        "plan_id": plan_ids,
    },
)


def refusal(document: object, parse: Parse = parse_payload) -> str:
    with pytest.raises(InvalidPayload) as refused:
        parse(document)
    return str(refused.value)


def values(document: object) -> Iterator[str]:
    """Yield every text in the document that is a value and that no rule names."""
    if isinstance(document, str):
        if len(document) > 3 and document not in (*MINIMAL.values(), "postgresql"):
            yield document
    elif isinstance(document, dict):
        for value in document.values():
            yield from values(value)
    elif isinstance(document, list):
        for value in document:
            yield from values(value)


def test_there_are_enough_hostile_payloads() -> None:
    assert len(HOSTILE) >= 80


@every_hostile
def test_a_hostile_payload_is_refused_with_a_message_that_names_the_field(parse: Parse, hostile: Hostile) -> None:
    assert refusal(json.loads(hostile.text), parse).startswith(f"{hostile.field}: ")


@every_hostile
def test_a_refusal_is_one_short_line_that_repeats_no_value(parse: Parse, hostile: Hostile) -> None:
    document = json.loads(hostile.text)
    message = refusal(document, parse)
    assert message.isascii()
    assert message.isprintable()
    assert len(message) <= LONGEST_MESSAGE
    assert [value for value in values(document) if value in message or ascii(value)[1:-1] in message] == []


def test_a_refusal_says_the_rule() -> None:
    assert refusal(MINIMAL | {"api_keys": {"count": 11}}) == "api_keys.count: must be at most 10"
    assert refusal(MINIMAL | {"services": {"auth": "true"}}) == "services.auth: must be of type boolean"
    assert refusal(MINIMAL | {"database": {"version": "14"}}) == "database.version: must be one of 15, 16, 17, 18"
    assert refusal({"region": "us-east-1"}) == "project_id: is required"
    assert refusal({}, parse_project_payload) == "project_id: is required"
    known = "project_id, organization_id, owner_id, retries, plan_id, metadata"
    assert refusal(MINIMAL, parse_project_payload) == f"region: is not a known field (known are {known})"


@pytest.mark.parametrize("project_id", HARMLESS_PROJECT_IDS)
def test_an_id_that_only_looks_dangerous_is_accepted(project_id: str) -> None:
    assert parse_payload(MINIMAL | {"project_id": project_id}).project_id == project_id
    assert parse_project_payload({"project_id": project_id}).project_id == project_id


@pytest.mark.parametrize("partition", boto3.Session().get_available_partitions())
def test_every_region_in_which_aws_runs_databases_is_accepted(partition: str) -> None:
    for region in boto3.Session().get_available_regions("rds", partition_name=partition):
        assert parse_payload(MINIMAL | {"region": region}).region == region


def test_only_project_and_region_are_required_and_the_rest_has_defaults() -> None:
    assert parse_payload(MINIMAL).as_document() == {
        "project_id": "demo",
        "region": "us-east-1",
        "database": {"engine": "postgresql", "version": "18", "size": "db.t3.micro", "storage_gb": 20},
        "services": {"auth": False, "realtime": False, "storage": False, "pooler": False},
        "api_keys": {"count": 2, "prefix": "demo"},
        "metadata": {},
    }


@given(identifiers)
def test_the_default_prefix_comes_from_the_project_and_is_itself_a_valid_prefix(project_id: str) -> None:
    prefix = parse_payload({"project_id": project_id, "region": "us-east-1"}).api_key_prefix
    assert parse_payload(MINIMAL | {"api_keys": {"prefix": prefix}}).api_key_prefix == prefix


def test_a_whole_number_written_with_a_point_is_a_whole_number() -> None:
    payload = parse_payload(MINIMAL | {"api_keys": {"count": 3.0}, "database": {"storage_gb": 50.0}})
    assert (repr(payload.api_key_count), repr(payload.database.storage_gb)) == ("3", "50")


@given(payloads)
def test_a_payload_keeps_every_value_it_came_with(document: dict[str, Any]) -> None:
    kept = parse_payload(document).as_document()
    for field, value in document.items():
        assert kept[field] == (kept[field] | value if isinstance(value, dict) else value)


@given(payloads)
def test_a_payload_comes_back_from_its_record_as_it_was(document: dict[str, Any]) -> None:
    payload = parse_payload(document)
    assert payload_from_record(json.loads(json.dumps(payload.as_document()))) == payload


@given(payloads)
def test_parsing_leaves_the_document_as_it_was(document: dict[str, Any]) -> None:
    before = json.dumps(document)
    parse_payload(document)
    assert json.dumps(document) == before


def test_metadata_may_be_as_long_and_as_deep_as_the_limits_say() -> None:
    assert (METADATA_BYTES, DEEPEST_METADATA) == (METADATA_MAXIMUM_BYTES, METADATA_MAXIMUM_DEPTH)
    longest = {"note": "x" * (METADATA_BYTES - len('{"note": ""}'))}
    assert parse_payload(MINIMAL | {"metadata": longest}).metadata == longest
    deepest = nested(DEEPEST_METADATA)
    assert parse_payload(MINIMAL | {"metadata": deepest}).metadata == deepest


@pytest.mark.parametrize("text", ["\N{GRINNING FACE}", "\u202e", "line\nline", "'; DROP TABLE x; --", "\\", "%s {}"])
def test_metadata_may_hold_any_other_text(text: str) -> None:
    assert parse_payload(MINIMAL | {"metadata": {text: text}}).metadata == {text: text}


def test_metadata_may_hold_the_text_of_an_escape() -> None:
    for note in (r"\u0000", r"\\u0000"):
        assert parse_payload(MINIMAL | {"metadata": {"note": note}}).metadata == {"note": note}


def test_a_job_of_a_project_requires_its_project_only() -> None:
    payload = parse_project_payload({"project_id": "demo"})
    assert payload.as_document() == {"project_id": "demo", "metadata": {}}
    assert payload.skipped == set()


@given(project_payloads)
def test_a_payload_of_a_project_keeps_every_value_it_came_with(document: dict[str, Any]) -> None:
    before = json.dumps(document)
    assert parse_project_payload(document).as_document() == {"metadata": {}} | document
    assert json.dumps(document) == before


@pytest.mark.parametrize("job_id", ["job-1", "j" * 80, "a.b_c-d", "rollback-7", "\u00e9t\u00e9"])
def test_a_retry_names_its_job_as_an_execution_may_be_named(job_id: str) -> None:
    assert parse_payload(MINIMAL | {"retries": job_id}).retries == job_id
    assert parse_project_payload({"project_id": "demo", "retries": job_id}).retries == job_id
