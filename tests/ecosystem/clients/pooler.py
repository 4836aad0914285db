"""A pgbouncer in front of a server: one `*` entry for all tenants, whose passwords are in its auth_file."""

import os
import queue
import re
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from local.postgres import LOOPBACK, SYSTEM_USER, free_port
from local.stack import Stack

PREPARED_SINCE = (1, 21)
LOOKUP_SINCE = (1, 19)
"""Where `auth_query` runs in another database than the client's: `auth_dbname`."""
START_TIMEOUT_SECONDS = 30
CONFIGURATION = """\
[databases]
* = host={host} port={server_port} {entry}

[pgbouncer]
listen_addr = {host}
listen_port = {port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = {auth_file}
pool_mode = {mode}
default_pool_size = 1
log_connections = 0
log_disconnections = 0
ignore_startup_parameters = extra_float_digits
{more}
"""


def version() -> tuple[int, int]:
    """Return the version of the pgbouncer on the PATH."""
    said = subprocess.run(["pgbouncer", "--version"], check=True, capture_output=True, text=True).stdout
    major, minor = re.findall(r"PgBouncer (\d+)\.(\d+)", said)[0]
    return int(major), int(minor)


@contextmanager
def run_pgbouncer(
    stack: Stack, mode: str, *users: dict[str, Any], entry: str = "", **settings: object
) -> Iterator[dict[str, Any]]:
    """Run a pooler that knows these users' passwords, with these settings, and yield its host and port."""
    folder = Path(tempfile.mkdtemp(prefix="pgbouncer-"))
    user = SYSTEM_USER if os.geteuid() == 0 else None
    try:
        where = {"host": LOOPBACK, "port": free_port()}
        auth_file, file = folder / "userlist.txt", folder / "pgbouncer.ini"
        auth_file.write_text("".join(f'"{one["username"]}" "{one["password"]}"\n' for one in users))
        if version() >= PREPARED_SINCE:
            settings = {"max_prepared_statements": 100, **settings}
        more = "\n".join(f"{name} = {value}" for name, value in settings.items())
        values = {
            "server_port": stack.postgres.port,
            "auth_file": auth_file,
            "mode": mode,
            "entry": entry,
            "more": more,
        }
        file.write_text(CONFIGURATION.format(**where, **values))
        if user:
            for path in (folder, auth_file, file):
                shutil.chown(path, user)
        with _running(["pgbouncer", str(file)], user):
            yield where
    finally:
        shutil.rmtree(folder)


@contextmanager
def _running(command: list[str], user: str | None) -> Iterator[None]:
    """Run the pooler until the block ends; the block starts when it accepts clients."""
    lines: queue.Queue[str | None] = queue.Queue()
    with subprocess.Popen(command, user=user, cwd="/", stderr=subprocess.PIPE, text=True) as started:

        def read() -> None:
            assert started.stderr
            for line in started.stderr:
                lines.put(line)
            lines.put(None)

        reader = threading.Thread(target=read)
        reader.start()
        try:
            said = []
            while line := lines.get(timeout=START_TIMEOUT_SECONDS):
                said.append(line)
                if "process up" in line:
                    break
            else:
                raise AssertionError("".join(said))
            yield
        finally:
            started.terminate()
            started.wait()
            reader.join()
