"""Inputs that StartExecution must survive: their texts, and the field that the refusal has to name."""

import json
from collections.abc import Iterator
from typing import NamedTuple

from tests.field_values import BAD_FIELDS, BAD_METADATA, BAD_PROJECT_IDS, BAD_REGIONS, BAD_RETRIES


class Hostile(NamedTuple):
    """A payload that is refused: as JSON text, because two of its faults (duplicate keys, NaN) are lost in objects."""

    name: str
    text: str
    field: str


def sent(**changes: object) -> str:
    """A payload that is valid except for the changes."""
    return json.dumps({"project_id": "demo", "region": "us-east-1"} | changes)


NO_OBJECT = {
    "a null": "null",
    "a number": "7",
    "a boolean": "true",
    "a string": '"demo"',
    "an array": "[]",
    "an array around a payload": f"[{sent()}]",
    "a payload as a string": json.dumps(sent()),
}

UNKNOWN_FIELDS: dict[str, tuple[str, str]] = {
    "service_url": (sent(service_url="https://evil.example"), "service_url"),
    "secret_arn": (sent(secret_arn="arn:aws:secretsmanager:us-east-1:1:secret:other"), "secret_arn"),
    "job_id": (sent(job_id="another-job"), "job_id"),
    "execution_arn": (sent(execution_arn="arn:aws:states:us-east-1:1:execution:other"), "execution_arn"),
    "failure": (sent(failure={"Error": "States.ALL", "Cause": "invented"}), "failure"),
    "a wrapped payload": (json.dumps({"payload": json.loads(sent())}), "project_id"),
    "__proto__": (sent(__proto__={"status": "active"}), "__proto__"),
    "constructor": (sent(constructor={"prototype": {}}), "constructor"),
    "another case": (sent(Region="us-east-1"), "Region"),
    "a trailing space": (sent(**{"region ": "us-east-1"}), '"region "'),
    "a newline in its name": (sent(**{"re\ngion": "us-east-1"}), r'"re\ngion"'),
    "a look-alike name": (sent()[:-1] + ', "regi\u043en": 1}', r'"regi\u043en"'),
    "no name": (sent(**{"": "us-east-1"}), '""'),
    "a name of a space": (sent(**{" ": "us-east-1"}), '" "'),
    "a name that looks like a path": (sent(**{"database.engine": "postgresql"}), '"database.engine"'),
    "a name that looks like a problem": (sent(**{"region: is required; a": 1}), '"region: is required; a"'),
    "no name in database": (sent(database={"": 1}), 'database.""'),
    "a name of a megabyte": (sent(**{"n" * 1_000_000: 1}), "n" * 64),
    "database.host": (sent(database={"host": "evil.example"}), "database.host"),
    "database.name": (sent(database={"name": "postgres"}), "database.name"),
    "services.billing": (sent(services={"billing": True}), "services.billing"),
    "services.auth_url": (sent(services={"auth_url": "https://evil.example"}), "services.auth_url"),
    "api_keys.keys": (sent(api_keys={"keys": ["demo_secret_0000"]}), "api_keys.keys"),
    "api_keys.__proto__": (sent(api_keys={"__proto__": {"count": 3}}), "api_keys.__proto__"),
}

ONLY_AS_TEXT = [
    Hostile("nothing at all in it", "{}", "project_id"),
    Hostile("project_id missing", '{"region": "us-east-1"}', "project_id"),
    Hostile("region missing", '{"project_id": "demo"}', "region"),
    Hostile("project_id twice", '{"project_id": "demo", "region": "us-east-1", "project_id": "a b c d"}', "project_id"),
    Hostile("region twice", '{"project_id": "demo", "region": "us-east-1", "region": "mars-north"}', "region"),
    Hostile("api_keys twice", sent()[:-1] + ', "api_keys": {"count": 2}, "api_keys": {"count": 99}}', "api_keys.count"),
    Hostile("project_id NaN", '{"project_id": NaN, "region": "us-east-1"}', "project_id"),
    Hostile("count Infinity", sent()[:-1] + ', "api_keys": {"count": Infinity}}', "api_keys.count"),
    Hostile("count NaN", sent()[:-1] + ', "api_keys": {"count": NaN}}', "api_keys.count"),
    Hostile("a huge number", sent(database={"storage_gb": 10**1000}), "database.storage_gb"),
    Hostile("metadata NaN", sent()[:-1] + ', "metadata": {"note": NaN}}', "metadata"),
    Hostile("metadata -Infinity", sent()[:-1] + ', "metadata": {"note": [-Infinity]}}', "metadata"),
    Hostile("metadata too large for a float", sent()[:-1] + ', "metadata": {"note": 1e999}}', "metadata"),
]


def _all() -> Iterator[Hostile]:
    yield from (Hostile(f"{name} instead of an object", text, "payload") for name, text in NO_OBJECT.items())
    yield from (Hostile(f"project_id: {name}", sent(project_id=v), "project_id") for name, v in BAD_PROJECT_IDS.items())
    yield from (Hostile(f"region: {name}", sent(region=value), "region") for name, value in BAD_REGIONS.items())
    for parent, fields in BAD_FIELDS.items():
        for field, values in fields.items():
            named = f"{parent}.{field}" if field else parent
            for value in values:
                document = {parent: {field: value} if field else value}
                yield Hostile(f"{named}: {ascii(value)[:40]}", sent(**document), named)
    yield from (Hostile(f"metadata: {name}", sent(metadata=value), "metadata") for name, value in BAD_METADATA.items())
    yield from (Hostile(f"retries: {name}", sent(retries=value), "retries") for name, value in BAD_RETRIES.items())
    yield from (Hostile(f"unknown field: {name}", *row) for name, row in UNKNOWN_FIELDS.items())
    yield from ONLY_AS_TEXT


HOSTILE = list(_all())
