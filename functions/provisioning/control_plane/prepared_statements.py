"""Statements that a session plans once: planning one of the ledger's takes several times as long as running it.

The first round trip of a session that needs a statement sends PREPARE before EXECUTE.
"""

import functools
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from weakref import WeakKeyDictionary

from psycopg2.extensions import connection as Connection  # noqa: N812

from provisioning.queries import Query

PARAMETER = re.compile(r"%\((\w+)\)s")
PLAN_ONCE = "SET plan_cache_mode = force_generic_plan;\n"
"""From the first execution on, not from the sixth: these statements look up rows by key, whatever the keys are."""


class _Prepared:
    def __init__(self, generation: int = 0) -> None:
        self.generation = generation
        self.names: set[str] = set()


_of_session: "WeakKeyDictionary[Connection, _Prepared]" = WeakKeyDictionary()


@contextmanager
def round_trip(session: Connection, queries: Sequence[Query]) -> Iterator[str]:
    """Yield the text of these queries for this session, to be sent inside.

    How far a failed round trip got is unknown, so the names that it may have prepared are never used again.
    """
    prepared = _of_session.setdefault(session, _Prepared())
    missing = [query for query in queries if query.parameters and query.name not in prepared.names]
    text = [PLAN_ONCE] if missing else []
    text += [_prepare(query, prepared.generation) for query in missing]
    text += [_execute(query, prepared.generation) if query.parameters else query.text for query in queries]
    try:
        yield "".join(text)
    except BaseException:
        _of_session[session] = _Prepared(prepared.generation + 1)
        raise
    prepared.names.update(query.name for query in missing)


@functools.cache
def _prepare(query: Query, generation: int) -> str:
    names, types = zip(*(parameter.split(" ", 1) for parameter in query.parameters), strict=True)
    numbered = PARAMETER.sub(lambda found: f"${names.index(found[1]) + 1}", query.text)
    return f"PREPARE {query.name}_{generation} ({', '.join(types)}) AS {numbered}"


@functools.cache
def _execute(query: Query, generation: int) -> str:
    values = ", ".join(f"%({parameter.split(' ', 1)[0]})s" for parameter in query.parameters)
    return f"EXECUTE {query.name}_{generation} ({values});\n"
