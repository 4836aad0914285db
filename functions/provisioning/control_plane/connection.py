"""The control plane's database: one connection per warm environment, and typed records of what a query returns."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TypeVar, cast

import psycopg2
from psycopg2.extensions import TRANSACTION_STATUS_INERROR, TRANSACTION_STATUS_INTRANS, TRANSACTION_STATUS_UNKNOWN
from psycopg2.extensions import connection as Connection  # noqa: N812

from provisioning import configuration, postgres, queries
from provisioning.aws import secrets
from provisioning.aws.documents import CREDENTIALS
from provisioning.control_plane import prepared_statements
from provisioning.control_plane.records import Added, Cluster, Identity, Project
from provisioning.errors import ControlPlaneUnavailable
from provisioning.queries import Query

STATEMENT_TIMEOUT_SECONDS = 15
QUERIES = queries.load(__file__, "control_plane.sql")
BEGIN, COMMIT = QUERIES["begin"], QUERIES["commit"]

_environment = threading.local()
"""A Lambda environment handles one event at a time, on one thread. What is kept here lives as long as the environment.
"""

Record = TypeVar("Record", bound=tuple[Any, ...])


class ControlPlane:
    """Send queries to the control plane and return typed records.

    The queries of one call are one round trip and one transaction, unless BEGIN and COMMIT among them say otherwise.
    Every method raises ControlPlaneUnavailable when the database does not answer or asks to try again, and
    InsufficientPermissions or StatementRejected when it refuses permanently.
    """

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    def fetch_all(self, record: type[Record], /, *sent: Query, **parameters: object) -> list[Record]:
        """Return the rows of the last query, each as a record whose fields are named like the row's columns."""
        columns, rows = self._send(sent, parameters)
        return [record(**dict(zip(columns, row, strict=True))) for row in rows]

    def fetch_one(self, record: type[Record], /, *sent: Query, **parameters: object) -> Record | None:
        """Return the first row of the last query as a record, if there is one."""
        return next(iter(self.fetch_all(record, *sent, **parameters)), None)

    def execute(self, *sent: Query, **parameters: object) -> None:
        """Send the queries and return nothing."""
        self._send(sent, parameters)

    def is_gone(self) -> bool:
        """Return whether this connection is known to be lost."""
        return self.connection.closed != 0 or self.connection.info.transaction_status == TRANSACTION_STATUS_UNKNOWN

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Guarantee that a transaction which BEGIN opens is rolled back if the block exits before its COMMIT."""
        try:
            yield
        finally:
            if self.connection.info.transaction_status in (TRANSACTION_STATUS_INTRANS, TRANSACTION_STATUS_INERROR):
                self.execute(QUERIES["rollback"])

    def identity(self) -> str:
        """Return the id of this control plane, asked for once per environment."""
        if not hasattr(_environment, "identity"):
            found = self.fetch_one(Identity, QUERIES["find_identity"])
            _environment.identity = found.control_plane_id if found is not None else ""
        return str(_environment.identity)

    def record_cluster(self, cluster: Cluster) -> None:
        """Add a cluster, or update it."""
        self.execute(QUERIES["record_cluster"], **cluster._asdict())

    def record_project(self, project: Project) -> bool:
        """Add a project and return whether it is new; an existing one stays as it is."""
        return self.fetch_one(Added, QUERIES["record_project"], **project._asdict()) is not None

    def clusters(self) -> list[Cluster]:
        """Return every known cluster, by its id."""
        return self.fetch_all(Cluster, QUERIES["find_clusters"])

    def _send(self, sent: tuple[Query, ...], parameters: dict[str, object]) -> tuple[list[str], list[tuple[Any, ...]]]:
        values = {key: _adapt(value) for key, value in parameters.items()}
        with _translated(), self._ended_when_it_fails(), self.connection.cursor() as cursor:
            with prepared_statements.round_trip(self.connection, sent) as text:
                cursor.execute(text, values)
            columns = [column.name for column in cursor.description or ()]
            return columns, cursor.fetchall() if columns else []

    @contextmanager
    def _ended_when_it_fails(self) -> Iterator[None]:
        try:
            yield
        except psycopg2.Error as error:
            if postgres.is_read_only(error):
                self.connection.close()
            elif self.connection.info.transaction_status == TRANSACTION_STATUS_INERROR:
                with suppress(psycopg2.Error), self.connection.cursor() as cursor:
                    cursor.execute(QUERIES["rollback"].text)
            raise


def connect() -> ControlPlane:
    """Return this environment's connection, checked, or a new one. Raise ControlPlaneUnavailable.

    Call it at the beginning of an attempt, never in its middle: the check releases every lock of the session. Such
    locks belong to an attempt that has ended, because an environment handles one event at a time.
    """
    return kept_or_new(lambda control: control.execute(QUERIES["release_locks"]))[0]


Answer = TypeVar("Answer")


def kept_or_new(first: Callable[[ControlPlane], Answer]) -> tuple[ControlPlane, Answer]:
    """Run an attempt's first round trip over this environment's connection, and return both.

    The round trip also checks the connection. If the connection is lost, or leads to a server that was replaced, the
    round trip runs again over a new one, although it may have run before, so it must be idempotent. Raise
    ControlPlaneUnavailable.
    """
    connection = cast("Connection | None", getattr(_environment, "connection", None))
    if connection is not None and not connection.closed:
        kept = ControlPlane(connection)
        try:
            return kept, first(kept)
        except ControlPlaneUnavailable:
            if not kept.is_gone():
                raise
            connection.close()
    document = secrets.read(configuration.required("CONTROL_PLANE_SECRET_ID"), CREDENTIALS)
    with _translated():
        _environment.connection = postgres.connect(document, statement_timeout_seconds=STATEMENT_TIMEOUT_SECONDS)
    control = ControlPlane(_environment.connection)
    return control, first(control)


def close_kept() -> None:
    """Close this environment's connection, and end with it everything that its session holds."""
    connection = cast("Connection | None", getattr(_environment, "connection", None))
    if connection is not None:
        connection.close()


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except psycopg2.Error as error:
        raise postgres.translate(error, ControlPlaneUnavailable) from error


def _adapt(value: object) -> object:
    return json.dumps(value) if isinstance(value, dict) else value
