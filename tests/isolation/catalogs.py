"""Everything that a tenant's login can read in PostgreSQL's catalogs, sampled while something happens."""

import re
import threading
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from types import TracebackType
from typing import Self

from psycopg2 import sql
from psycopg2.extensions import connection as Connection  # noqa: N812

from tests.isolation.conftest import Tenant, query

NAMED = (
    "pg_database",
    "pg_roles",
    "pg_shdescription",
    "pg_stat_activity",
    "pg_db_role_setting",
    "pg_replication_slots",
    "pg_publication",
)
"""The relations that issue 12 names. Each must be among the samples."""

READABLE = """
    SELECT relname::text, relisshared OR relkind = 'v' AS changes,
           array_agg(attname::text ORDER BY attnum) AS columns
    FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid AND attnum > 0 AND NOT attisdropped
    WHERE relnamespace = 'pg_catalog'::regnamespace AND relkind IN ('r', 'v')
        AND has_schema_privilege(relnamespace, 'USAGE') AND has_column_privilege(pg_class.oid, attnum, 'SELECT')
    GROUP BY relname, relisshared, relkind
    ORDER BY relname
"""
OWN = r"pg_(stat|statio)_(xact_)?(all|sys|user)_.*|pg_(stats.*|views|indexes|tables|rules|policies|matviews|sequences)"
"""Views of the tenant's own database, which no other tenant changes."""

FILES = "pg_timezone_names|pg_timezone_abbrevs|pg_available_extensions|pg_available_extension_versions|pg_wait_events"
"""Views of the server's own properties."""


class Samples:
    """Rows that a login has read, each kept once."""

    def __init__(self, tenant: Tenant) -> None:
        self._tenant = tenant
        self.rows: set[str] = set()
        self.relations: set[str] = set()
        self.count = 0

    def read_everything(self) -> None:
        """Read every relation of pg_catalog once, including those of the tenant's own database."""
        with closing(self._tenant.connect()) as session:
            relations = _readable(session, changing=False)
            self.take(session, relations, _reading(relations))

    @contextmanager
    def continuously(self) -> Iterator[None]:
        """Read what other tenants can change in pg_catalog, again and again until the block ends."""
        with closing(self._tenant.connect()) as session, _Reading(self, session):
            yield

    def take(self, session: Connection, relations: Iterable[str], statement: str | sql.Composable) -> None:
        """Add what the statement reads of these relations."""
        self.rows.update(row for (row,) in query(session, statement))
        self.relations.update(relations)
        self.count += 1


class _Reading:
    """A thread that reads over a session until it is stopped, and then raises what it failed with."""

    def __init__(self, samples: Samples, session: Connection) -> None:
        self._samples, self._session = samples, session
        self._ended = threading.Event()
        self._failure: Exception | None = None
        self._thread = threading.Thread(target=self._read)

    def _read(self) -> None:
        try:
            relations = _readable(self._session, changing=True)
            query(self._session, sql.SQL("PREPARE sample AS {}").format(_reading(relations)))
            while not self._ended.is_set():
                self._samples.take(self._session, relations, "EXECUTE sample")
        except Exception as failure:  # noqa: BLE001 (raised where the block ends)
            self._failure = failure

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()
        if self._failure is not None:
            raise self._failure


def _readable(session: Connection, *, changing: bool) -> dict[str, list[str]]:
    """Return the relations of pg_catalog that the session may read, each with its readable columns."""
    still = re.compile(f"{OWN}|{FILES}")
    return {
        name: columns
        for name, changes, columns in query(session, READABLE)
        if not changing or (changes and not still.fullmatch(name))
    }


def _reading(relations: dict[str, list[str]]) -> sql.Composed:
    one = sql.SQL("SELECT {name} || ' ' || row({columns})::text FROM {relation}")
    return sql.SQL(" UNION ALL ").join(
        one.format(
            name=sql.Literal(name),
            columns=sql.SQL(", ").join(map(sql.Identifier, columns)),
            relation=sql.Identifier("pg_catalog", name),
        )
        for name, columns in relations.items()
    )
