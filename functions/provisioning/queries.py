"""The SQL that a module sends: one .sql file beside it, with a name before each query.

    -- name: find_job
    -- name: claim_stage (job_id text, stage text)

A query with typed parameters is prepared once per session (prepared_statements.py).
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

MARKER = re.compile(r"^-- name: (\w+)(?: \((.+)\))?\n", re.MULTILINE)


class Query(NamedTuple):
    """One statement, or several that are always sent together."""

    name: str
    text: str
    parameters: tuple[str, ...] = ()
    """Each parameter with its type, of a query that is prepared."""


def load(module_file: str, name: str = "") -> Mapping[str, Query]:
    """Return the queries of a .sql file beside a module, by name: the file named like the module, or the one given.

    Text before the first marker describes the whole file. Raise ValueError if a name occurs twice.
    """
    path = Path(module_file).with_suffix(".sql")
    _, *parts = MARKER.split((path.with_name(name) if name else path).read_text())
    found: dict[str, Query] = {}
    for query, typed, text in zip(parts[::3], parts[1::3], parts[2::3], strict=True):
        if query in found:
            raise ValueError(f"{path.name} has the query {query} twice")
        found[query] = Query(query, text, tuple(typed.split(", ")) if typed else ())
    return found
