"""Servers that lose their last commits: recovered to an LSN, as after an asynchronous failover or a restore."""

import os
import shutil
import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from copy import deepcopy
from pathlib import Path
from typing import Any, NamedTuple, cast

from moto.secretsmanager.models import secretsmanager_backends
from psycopg2.extensions import connection as Connection  # noqa: N812

from local import bootstrap
from local.aws import ACCOUNT
from local.aws_client import REGION
from local.postgres import LOOPBACK, PostgresServer
from local.stack import Stack
from provisioning import control_plane

COMMITS = """
    SELECT end_lsn::text FROM pg_get_wal_records_info('{since}', 'FFFFFFFF/FFFFFFFF')
    WHERE resource_manager = 'Transaction' AND record_type LIKE 'COMMIT%' ORDER BY end_lsn
"""
QUIET = ("autovacuum = off", "wal_keep_size = '4GB'", "hot_standby = off")
"""Only the job commits, every segment of WAL is kept, and a server that accepts connections has been promoted."""

RECOVERY = """
restore_command = 'cp "{wal}/%f" "%p"'
recovery_target_lsn = '{lsn}'
recovery_target_inclusive = off
recovery_target_action = promote
recovery_target_timeline = current
"""


class Server:
    """A server whose data can be set back: to a copy of it, or to a commit made since."""

    def __init__(self, server: PostgresServer) -> None:
        self.server = server
        self._data = server.directory / "data"
        self._copy = self._data
        self._since = ""

    def prepare(self) -> None:
        """Restart the server with what a recovery needs."""
        self.server.stop()
        with (self._data / "postgresql.conf").open("a") as settings:
            settings.writelines(f"{setting}\n" for setting in QUIET)
        self.server.start()
        with closing(self.server.connect()) as superuser, superuser.cursor() as cursor:
            cursor.execute("CREATE EXTENSION pg_walinspect")

    def copy(self, to: Path) -> None:
        """Stop the server cleanly and copy its data."""
        self.server.stop()
        _copy(self._data, to)

    def set_back(self, copy: Path) -> None:
        """Start the server on a copy of earlier data: only what it commits from now on can be lost."""
        self.server.stop("immediate")
        shutil.rmtree(self._data)
        _copy(copy, self._data)
        self.server.start()
        self._copy = copy
        with closing(self.server.connect()) as superuser, superuser.cursor() as cursor:
            cursor.execute("SELECT pg_current_wal_insert_lsn()::text")
            ((self._since,),) = cursor.fetchall()
            # Something to read from there on, which is no commit.
            cursor.execute("SELECT pg_logical_emit_message(false, 'losses', '', true)")

    def commits(self) -> list[str]:
        """Return where each commit since the copy ends."""
        with closing(self.server.connect()) as superuser, superuser.cursor() as cursor:
            cursor.execute(COMMITS.format(since=self._since))
            return [lsn for (lsn,) in cursor.fetchall()]

    def lose(self, count: int | None) -> int:
        """Crash, recover without the last commits, or without any since the copy, and return how many are lost."""
        commits = self.commits()
        lost = len(commits) if count is None else min(count, len(commits))
        if not lost:
            return 0
        lsn = commits[-lost - 1] if lost < len(commits) else self._since
        self.server.stop("immediate")
        gone = self._data.with_name("data.gone")
        shutil.rmtree(gone, ignore_errors=True)
        self._data.rename(gone)
        _copy(self._copy, self._data)
        with (self._data / "postgresql.conf").open("a") as settings:
            settings.write(RECOVERY.format(wal=gone / "pg_wal", lsn=lsn))
        signal = self._data / "recovery.signal"
        signal.touch()
        shutil.copystat(self._data / "PG_VERSION", signal)
        _give(signal, self._data)
        self.server.start()
        return lost


class Servers:
    """The control plane on one server and the cluster on another, as look() and the tests reach them."""

    def __init__(self, control: Server, cluster: Server) -> None:
        self.control = control
        self.cluster = cluster

    def connect(self, dbname: str = "postgres") -> Connection:
        """Open a connection as superuser to the server that has this database."""
        return (self.control if dbname == bootstrap.CONTROL_PLANE else self.cluster).server.connect(dbname)


class Snapshot(NamedTuple):
    """Everything that a stack keeps, at one time."""

    control: Path
    cluster: Path
    secrets: dict[str, Any]
    registrations: sqlite3.Connection


@contextmanager
def apart(stack: Stack) -> Iterator[Servers]:
    """Move the cluster of a stack, on which nothing was made yet, to a server of its own."""
    with PostgresServer(stack.state_directory / "cluster", fsync=False) as server:
        kept = bootstrap.Secrets(stack.client("secretsmanager"))
        admin = kept.cluster_admin(LOOPBACK, server.port)
        bootstrap.prepare_server(server, kept.control_plane(LOOPBACK, stack.postgres.port), admin)
        control = control_plane.connect()
        for cluster in control.clusters():
            control.record_cluster(cluster._replace(port=server.port))
        servers = Servers(Server(stack.postgres), Server(server))
        both(servers, Server.prepare)
        stack.postgres = cast("PostgresServer", servers)
        yield servers


def both(servers: Servers, do: Any) -> None:
    """Do the same with both servers, at once."""
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(do, (servers.control, servers.cluster)))


def take(stack: Stack, servers: Servers, to: Path) -> Snapshot:
    """Copy everything; the servers are stopped then."""
    to.mkdir(parents=True)
    to.chmod(0o755)
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(Server.copy, (servers.control, servers.cluster), (to / "control", to / "cluster")))
    with _registrations(stack) as store:
        kept = sqlite3.connect(":memory:", check_same_thread=False)
        store.backup(kept)
    return Snapshot(to / "control", to / "cluster", deepcopy(dict(_secrets())), kept)


def set_back(stack: Stack, servers: Servers, snapshot: Snapshot) -> None:
    """Make everything what it was when it was copied."""
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(Server.set_back, (servers.control, servers.cluster), (snapshot.control, snapshot.cluster)))
    _secrets().clear()
    _secrets().update(deepcopy(snapshot.secrets))
    with _registrations(stack) as store:
        snapshot.registrations.backup(store)


def _secrets() -> dict[str, Any]:
    return cast("dict[str, Any]", secretsmanager_backends[ACCOUNT][REGION].secrets)


def _registrations(stack: Stack) -> Any:
    return closing(sqlite3.connect(stack.state_directory / "registrations.sqlite3"))


def _copy(data: Path, to: Path) -> None:
    shutil.copytree(data, to, symlinks=True)
    owner = data.stat()
    for place, _, files in os.walk(to):
        for one in (Path(place), *(Path(place) / file for file in files)):
            os.chown(one, owner.st_uid, owner.st_gid)


def _give(file: Path, data: Path) -> None:
    owner = data.stat()
    os.chown(file, owner.st_uid, owner.st_gid)
