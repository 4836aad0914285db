"""The control plane's database: one connection per warm environment, and the records a stage reads and writes."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple, cast

import psycopg2
from psycopg2.extensions import (
    STATUS_READY,
    TRANSACTION_STATUS_INERROR,
    TRANSACTION_STATUS_INTRANS,
    TRANSACTION_STATUS_UNKNOWN,
)
from psycopg2.extensions import connection as Connection  # noqa: N812

from provisioning import configuration, kept_plans, postgres, tenant_secret
from provisioning.errors import ControlPlaneUnavailable

STATEMENT_TIMEOUT_SECONDS = 15

_environment = threading.local()
"""A Lambda environment handles one event at a time, on one thread: what is kept here lives as long as it does."""

Row = dict[str, Any]


class Cluster(NamedTuple):
    """A PostgreSQL server that tenants' databases are created on. Capacity is a number of databases."""

    cluster_id: str
    region: str
    engine: str
    version: str
    size: str
    host: str
    port: int
    admin_secret_id: str
    capacity: int


class Project(NamedTuple):
    """A customer's project."""

    project_id: str
    organization_id: str
    owner_id: str
    region: str


class ControlPlane:
    """Runs the statements in sql/ on the control plane.

    Every method raises ControlPlaneUnavailable when the database does not answer or asks to try again, and
    InsufficientPermissions or StatementRejected when it refuses for good.
    """

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    def fetch_all(self, *names: str, **parameters: object) -> list[Row]:
        """Runs sql/{name}.sql of each name in one round trip, and returns the rows of the last statement.

        They are one transaction, unless sql/begin.sql and sql/commit.sql among them say otherwise.
        """
        values = {key: _adapt(value) for key, value in parameters.items()}
        with _translated(), self._whole(), self.connection.cursor() as cursor:
            with kept_plans.round_trip(self.connection, names) as text:
                cursor.execute(text, values)
            columns = [column.name for column in cursor.description or ()]
            return [dict(zip(columns, row, strict=True)) for row in cursor.fetchall()] if columns else []

    def fetch_one(self, *names: str, **parameters: object) -> Row | None:
        """Runs sql/{name}.sql of each name and returns the first row of the last statement, if there is one."""
        rows = self.fetch_all(*names, **parameters)
        return rows[0] if rows else None

    def execute(self, *names: str, **parameters: object) -> None:
        """Runs sql/{name}.sql of each name."""
        self.fetch_all(*names, **parameters)

    def is_gone(self) -> bool:
        """Tells whether this connection is known to be lost."""
        return self.connection.closed != 0 or self.connection.info.transaction_status == TRANSACTION_STATUS_UNKNOWN

    @contextmanager
    def deciding(self) -> Iterator[None]:
        """For a transaction that its first round trip begins and its last commits: left before that, it is undone."""
        try:
            yield
        finally:
            if self.connection.info.transaction_status in (TRANSACTION_STATUS_INTRANS, TRANSACTION_STATUS_INERROR):
                self.execute("rollback")

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Makes everything inside one transaction."""
        with _translated(), self.connection:
            yield

    @contextmanager
    def _whole(self) -> Iterator[None]:
        """Ends a transaction that failed in the middle of a round trip. What psycopg2 began is psycopg2's to end."""
        try:
            yield
        except psycopg2.Error:
            connection = self.connection
            failed = connection.info.transaction_status == TRANSACTION_STATUS_INERROR
            if failed and connection.status == STATUS_READY:
                with suppress(psycopg2.Error), connection.cursor() as cursor:
                    cursor.execute(postgres.statement("rollback"))
            raise

    def register_cluster(self, cluster: Cluster) -> None:
        """Makes a cluster known, or changes what is known of it."""
        self.execute("register_cluster", **cluster._asdict())

    def create_project(self, project: Project) -> None:
        """Makes a project known; one that exists is left as it is."""
        self.execute("create_project", **project._asdict())


def connect() -> ControlPlane:
    """Returns this environment's connection, checked, or a new one. Raises ControlPlaneUnavailable.

    For the beginning of an attempt, never its middle: locks that the session still holds are from an attempt that
    has ended (an environment handles one event at a time), and the check gives them back.
    """
    control, _ = begin("release_stage")
    return control


def begin(*names: str, **parameters: object) -> tuple[ControlPlane, list[Row]]:
    """Runs the first statements of an attempt, which check this environment's connection in the same round trip.

    On a connection that turns out to be gone they may have run: on a new one they run again, and must bear that.
    """
    connection = cast("Connection | None", getattr(_environment, "connection", None))
    if connection is not None and not connection.closed:
        kept = ControlPlane(connection)
        try:
            return kept, kept.fetch_all(*names, **parameters)
        except ControlPlaneUnavailable:
            if not kept.is_gone():
                raise
            connection.close()
    document = tenant_secret.read(configuration.required("CONTROL_PLANE_SECRET_ID"))
    with _translated():
        _environment.connection = postgres.connect(document, statement_timeout_seconds=STATEMENT_TIMEOUT_SECONDS)
    control = ControlPlane(_environment.connection)
    return control, control.fetch_all(*names, **parameters)


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except psycopg2.Error as error:
        raise postgres.translate(error, ControlPlaneUnavailable) from error


def _adapt(value: object) -> object:
    return json.dumps(value) if isinstance(value, dict) else value
