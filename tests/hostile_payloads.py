"""Inputs that StartExecution must survive: their texts, and the field that the refusal has to name."""

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

METADATA_BYTES = 16 * 1024
DEEPEST_METADATA = 16


class Hostile(NamedTuple):
    """A payload that is refused: as JSON text, because two of its faults (duplicate keys, NaN) are lost in objects."""

    name: str
    text: str
    field: str


def sent(**changes: object) -> str:
    """A payload that is valid except for the changes."""
    return json.dumps({"project_id": "demo", "region": "us-east-1"} | changes)


def nested(levels: int) -> dict[str, Any]:
    """An object with that many levels."""
    innermost: dict[str, Any] = {}
    for _ in range(levels - 1):
        innermost = {"a": innermost}
    return innermost


NO_OBJECT = {
    "a null": "null",
    "a number": "7",
    "a boolean": "true",
    "a string": '"demo"',
    "an array": "[]",
    "an array around a payload": f"[{sent()}]",
    "a payload as a string": json.dumps(sent()),
}

BAD_PROJECT_IDS: dict[str, object] = {
    "null": None,
    "a number": 7,
    "a number with a point": 1.5,
    "true": True,
    "an array": ["demo"],
    "an object": {"id": "demo"},
    "empty": "",
    "a space": " ",
    "65 characters": "b" * 65,
    "a megabyte": "b" * 1_000_000,
    "a leading dash": "-demo",
    "a leading underscore": "_demo",
    "__proto__": "__proto__",
    "a space within": "de mo",
    "a trailing space": "demo ",
    "a trailing newline": "demo\n",
    "a newline within": "demo\ndemo",
    "a carriage return": "demo\r",
    "a tab": "demo\t",
    "NUL": "demo\x00",
    "NUL within": "de\x00mo",
    "an escape sequence": "demo\x1b[31m",
    "delete": "demo\x7f",
    "a single quote": "demo'mo",
    "a double quote": 'demo"mo',
    "a backtick": "demo`mo",
    "a backslash": "demo\\mo",
    "a semicolon": "demo;mo",
    "a dollar quote": "$demo$",
    "an SQL injection": 'demo"; DROP DATABASE postgres; --',
    "an SQL comment": "demo/*mo*/",
    "a format string": "%s%n{0}",
    "a template": "${jndi:ldap://demo}",
    "dots": "..",
    "a path": "../../etc/passwd",
    "a slash": "demo/mo",
    "an encoded slash": "demo%2Fmo",
    "a query": "demo?mo",
    "a URL": "https://169.254.169.254/latest",
    "a state machine's intrinsic": "States.Format('demo')",
    "a right-to-left override": "demo\u202eomed",
    "a zero-width joiner": "de\u200dmo",
    "a byte order mark": "\ufeffdemo",
    "a Cyrillic look-alike": "d\u0435mo",
    "full-width letters": "\uff44\uff45\uff4d\uff4f",
    "Arabic digits": "demo\u0661",
    "a dotless i": "dem\u0131",
    "a letter that folds to two": "demo\u00df",
    "a combining accent": "demo\u0301",
    "an emoji": "demo\U0001f600",
    "a lone surrogate": "demo\ud800",
}

BAD_REGIONS: dict[str, object] = {
    "null": None,
    "an array": ["us-east-1"],
    "empty": "",
    "no number": "us-east",
    "a zero": "us-east-0",
    "upper case": "US-EAST-1",
    "an underscore": "us_east_1",
    "an availability zone": "us-east-1a",
    "another cloud's": "europe-west1",
    "a wildcard": "us-*-1",
    "a trailing newline": "us-east-1\n",
    "a URL": "https://evil.example/us-east-1",
    "a host": "us-east-1.evil.example",
    "credentials": "us-east-1@evil.example",
    "a port": "us-east-1:8080",
    "a path": "us-east-1/../../latest",
    "homoglyphs": "us-\u0435ast-1",
    "NUL": "us-east-1\x00",
    "a kilobyte": "us-" + "east" * 256 + "-1",
}

BAD_FIELDS: dict[str, dict[str, tuple[object, ...]]] = {
    "organization_id": {"": (None, 7, "", "org/1", "org\n", "o" * 65, ["org-acme"])},
    "owner_id": {"": (None, False, "", "owner'1", "own\u0435r", {"id": "someone"})},
    "database": {
        "": (None, "postgresql", [], 18),
        "engine": ("mysql", "PostgreSQL", None, ["postgresql"], {"postgresql": True}),
        "version": (18, "14", "18.1", "latest", None, "18\n"),
        "size": ("micro", "db.t3", "db.t3.micro.large", "db.T3.micro", "db.t3.micro\n", "db.t3.;drop", 3),
        "storage_gb": (0, -1, 1001, 1.5, "20", True, None, 1e300),
    },
    "services": {
        "": (None, True, ["auth"], "auth"),
        "auth": ("true", "false", 1, 0, None, [], {}),
        "realtime": ("yes!", 1.0),
        "storage": ("https://evil.example", {"service_url": "https://evil.example"}),
    },
    "api_keys": {
        "": (None, 2, [], "two keys"),
        "count": (0, 11, -1, 1.5, 1e9, True, "2", None, [2]),
        "prefix": ("", "p" * 33, "demo\n", "demo%s", "{}", "demo_", "de mo", "pr\u00e9fixe", "\u202edemo", 7, None),
    },
    "metadata": {
        "": (None, [], "a note", 7, True),
    },
    "retries": {
        "": (
            None,
            7,
            True,
            "",
            "j" * 81,
            ["job-1"],
            {"job_id": "job-1"},
            "job-1\n",
            "job\x00",
            "job\x1b[31m",
            "job\x9b31m",
        ),
    },
}

BAD_RETRIES: dict[str, object] = {
    "a lone surrogate": "job\udfff",
    "a next line": "job\x85job",
    "a line separator": "job\u2028job",
    "a space": "job 1",
    "a path": "../job",
    "a state machine's intrinsic": "States.Format('{}', $.job_id)",
    "an ARN": "arn:aws:states:us-east-1:1:execution:other:job",
    "a kilobyte": "j" * 1024,
}

BAD_METADATA: dict[str, object] = {
    "200 KiB": {"note": "x" * 200 * 1024},
    "one byte too many": {"note": "x" * (METADATA_BYTES + 1 - len('{"note": ""}'))},
    "200 KiB in keys": {f"key-{number:08}": 0 for number in range(12_000)},
    "many bytes in few characters": {"note": "\U0001f600" * (METADATA_BYTES // 4)},
    "one level too deep": nested(DEEPEST_METADATA + 1),
    "deep nesting in objects": nested(900),
    "deep nesting in arrays": {"list": json.loads("[" * 500 + "]" * 500)},
    "NUL in a value": {"note": "demo\x00"},
    "NUL after a backslash": {"note": "\\\x00"},
    "NUL in a key": {"no\x00te": 1},
    "a lone surrogate": {"note": "demo\udfff"},
    "a lone surrogate in a key": {"no\ud800te": 1},
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

HARMLESS_PROJECT_IDS = [
    *("postgres", "template0", "template1", "control_plane", "tenant", "public", "information_schema"),
    *("pg_x", "pg_catalog", "pg_toast", "pg_read_all_data", "anon", "authenticated", "service_role", "rdsadmin"),
    *("select", "SELECT", "table", "user", "null", "true", "default", "all", "constructor", "NaN", "Infinity"),
    *("7", "0", "0x10", "1e9", "00000000-0000-0000-0000-000000000000", "a", "Z"),
    *("a-b", "a_b", "A-B", "A_B", "a--b", "a__b", "a-", "a_", "ab", "AB"),
    *("b" * 64, "b" * 63, "B" * 64, "b" * 63 + "c", "b-" * 32, "b_" * 32),
]
"""Ids that look dangerous but are not: no name of a tenant derives from one."""
