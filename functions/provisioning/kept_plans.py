"""Statements of the ledger that a session plans once: planning one takes several times as long as running it.

A round trip that needs one for the first time in its session begins with PREPARE and goes on with EXECUTE.
"""

import functools
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from weakref import WeakKeyDictionary

from psycopg2.extensions import connection as Connection  # noqa: N812

from provisioning import postgres

KEPT = frozenset({"check_attempt", "claim_stage", "find_claim", "succeed_attempt"})
"""Each is one statement, whose only parameters are these."""

TYPES = {"job_id": "text", "stage": "text", "attempt": "integer", "intent": "jsonb", "output": "jsonb"}
PARAMETER = re.compile(r"%\((\w+)\)s")


class _Plans:
    def __init__(self, generation: int = 0) -> None:
        self.generation = generation
        self.names: set[str] = set()


_of_session: "WeakKeyDictionary[Connection, _Plans]" = WeakKeyDictionary()


@contextmanager
def round_trip(session: Connection, names: Sequence[str]) -> Iterator[str]:
    """Yields the text of these statements for this session, to be sent inside.

    How far one came that fails is not known: what it may have prepared is never named again.
    """
    plans = _of_session.setdefault(session, _Plans())
    missing = [name for name in names if name in KEPT and name not in plans.names]
    text = [postgres.statement("keep_plans")] if missing else []
    text += [_prepare(name, plans.generation) for name in missing]
    text += [_execute(name, plans.generation) if name in KEPT else postgres.statement(name) for name in names]
    try:
        yield "".join(text)
    except BaseException:
        _of_session[session] = _Plans(plans.generation + 1)
        raise
    plans.names.update(missing)


@functools.cache
def _parameters(name: str) -> list[str]:
    return list(dict.fromkeys(PARAMETER.findall(postgres.statement(name))))


def _prepare(name: str, generation: int) -> str:
    parameters = _parameters(name)
    numbered = PARAMETER.sub(lambda found: f"${parameters.index(found[1]) + 1}", postgres.statement(name))
    types = ", ".join(TYPES[parameter] for parameter in parameters)
    return f"PREPARE {name}_{generation} ({types}) AS {numbered}"


@functools.cache
def _execute(name: str, generation: int) -> str:
    values = ", ".join(f"%({parameter})s" for parameter in _parameters(name))
    return f"EXECUTE {name}_{generation} ({values});\n"
