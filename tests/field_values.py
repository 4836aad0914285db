"""Values of the fields of a payload: those that must be refused, and project ids that only look dangerous."""

import json
from typing import Any

METADATA_BYTES = 16 * 1024
DEEPEST_METADATA = 16


def nested(levels: int) -> dict[str, Any]:
    """An object with that many levels."""
    innermost: dict[str, Any] = {}
    for _ in range(levels - 1):
        innermost = {"a": innermost}
    return innermost


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

HARMLESS_PROJECT_IDS = [
    *("postgres", "template0", "template1", "control_plane", "tenant", "public", "information_schema"),
    *("pg_x", "pg_catalog", "pg_toast", "pg_read_all_data", "anon", "authenticated", "service_role", "rdsadmin"),
    *("select", "SELECT", "table", "user", "null", "true", "default", "all", "constructor", "NaN", "Infinity"),
    *("7", "0", "0x10", "1e9", "00000000-0000-0000-0000-000000000000", "a", "Z"),
    *("a-b", "a_b", "A-B", "A_B", "a--b", "a__b", "a-", "a_", "ab", "AB"),
    *("b" * 64, "b" * 63, "B" * 64, "b" * 63 + "c", "b-" * 32, "b_" * 32),
]
"""Ids that look dangerous but are not: no name of a tenant derives from one."""

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
    "plan_id": {"": (None, 7, "", "a" * 63, "A" * 64, "g" * 64, f"\n{'a' * 64}", ["a" * 64])},
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
