"""The admin's session on a cluster: one per warm environment, in the register's database.

Every effect on a tenant's database and roles goes over the session that holds the tenant's lock. A superseded attempt
has either lost that session and cannot act, or still holds the lock and nothing has happened since.
"""

import threading
from collections.abc import Callable
from typing import TypeVar, cast

import psycopg2
from psycopg2 import sql
from psycopg2.extensions import connection as Connection  # noqa: N812

from provisioning import postgres, queries
from provisioning.aws import secrets
from provisioning.aws.documents import LOGIN
from provisioning.control_plane import Cluster
from provisioning.queries import Query

STATEMENT_TIMEOUT_SECONDS = 40
REGISTER = "provisioner_register"
"""The admin's own database on each cluster."""

QUERIES = queries.load(__file__, "cluster.sql")
Answer = TypeVar("Answer")
Record = TypeVar("Record", bound=tuple[object, ...])

_environment = threading.local()


def connect(cluster: Cluster, dbname: str = REGISTER) -> Connection:
    """Open a connection as the cluster's admin to one of its databases. Raise psycopg2.Error."""
    document = secrets.read(cluster.admin_secret_id, LOGIN)
    document |= {"host": cluster.host, "port": cluster.port}
    return postgres.connect(document, statement_timeout_seconds=STATEMENT_TIMEOUT_SECONDS, dbname=dbname)


def on(cluster: Cluster, first: Callable[[Connection], Answer]) -> tuple[Connection, Answer]:
    """Run a first round trip over this environment's session on the cluster, and return the session and its answer.

    The round trip also checks the session. If the session is lost, the round trip runs again over a new one, so it must
    be idempotent. A session whose round trip failed is closed, and holds no lock. Raise psycopg2.Error.
    """
    sessions = cast("dict[str, Connection]", _environment.__dict__.setdefault("sessions", {}))
    session = sessions.get(cluster.cluster_id)
    if session is not None and not session.closed:
        try:
            return session, first(session)
        except BaseException as error:
            session.close()
            if not (isinstance(error, psycopg2.Error) and postgres.is_transient(error)):
                raise
    session = sessions[cluster.cluster_id] = connect(cluster)
    try:
        return session, first(session)
    except BaseException:
        session.close()
        raise


def kept(cluster: Cluster) -> Connection:
    """Return this environment's session on the cluster, to continue what an earlier round trip began.

    Over a new session nothing would prove that the cluster still has it. Raise psycopg2.OperationalError if the session
    is lost.
    """
    session = cast("dict[str, Connection]", _environment.__dict__.get("sessions", {})).get(cluster.cluster_id)
    if session is None or session.closed:
        raise psycopg2.OperationalError("the session on the cluster is lost")
    return session


def release(session: Connection) -> None:
    """Release every lock of the session; a lost session holds none. Raise psycopg2.Error."""
    if not session.closed:
        send(session, QUERIES["release_locks"])


def send(session: Connection, *sent: Query, **values: object) -> None:
    """Send composed queries in one round trip. Raise psycopg2.Error."""
    with session.cursor() as cursor:
        cursor.execute(postgres.composed(*sent, **values))


def fetch(session: Connection, record: type[Record], /, *sent: Query, **values: object) -> list[Record]:
    """Send composed queries and return the rows of the last as records. Raise psycopg2.Error."""
    return fetch_composed(session, record, postgres.composed(*sent, **values))


def fetch_composed(session: Connection, record: type[Record], message: sql.Composed) -> list[Record]:
    """Send a composed message and return the rows of its last statement as records. Raise psycopg2.Error."""
    with session.cursor() as cursor:
        cursor.execute(message)
        columns = [column.name for column in cursor.description or ()]
        return [record(**dict(zip(columns, row, strict=True))) for row in cursor.fetchall()]
