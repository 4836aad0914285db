"""pg_dump as a child process whose output is read in parts. Its password is in its own environment and nowhere else."""

import os
import re
import select
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import IO, Any, NamedTuple, Self, cast

from provisioning import configuration, postgres
from provisioning.aws.objects import PART_BYTES
from provisioning.errors import ExportFailed, ExportRefused, Misconfigured, ProvisioningError

LOCK_SECONDS = 30
"""How long pg_dump waits for the locks of all tables."""

SHORTEST_PIPE_BYTES = 4096
"""A dump is longer, so pg_dump waits for its reader, with its locks, until the reader has locked the tables, too."""

READ_BYTES = 1024 * 1024
WAIT_SECONDS = 1.0
KEPT_WORDS = 16 * 1024
OPTIONS = ("--format=custom", "--compress=1", "--no-password", f"--lock-wait-timeout={LOCK_SECONDS}s")
"""Of gzip's levels the first: the next ones cost more time than they save in bytes."""

NEVER_READ = "/dev/null"
PERMANENT = (
    re.compile(r'query would be affected by row-level security policy for table "[^"]{1,63}"'),
    re.compile(r"permission denied for (?:table|sequence|schema|view|large object|foreign table) \S{1,63}"),
    re.compile(r"aborting because of server version mismatch"),
)
TRANSIENT = re.compile(r"canceling statement due to (?:lock|statement) timeout")


class Source(NamedTuple):
    """What is dumped: a database, as its owner, in a snapshot that another session has exported."""

    document: Mapping[str, Any]
    owner_role: str
    snapshot: str
    left_out: Sequence[str]
    server_version: int

    def arguments(self) -> list[str]:
        """Return pg_dump's arguments, which anybody on the machine can read."""
        return [
            *OPTIONS,
            f"--role={self.owner_role}",
            f"--snapshot={self.snapshot}",
            *(f"--exclude-schema={_literal(schema)}" for schema in self.left_out),
        ]

    def environment(self) -> dict[str, str]:
        """Return the whole environment of pg_dump: nothing of ours is passed on but what libpq needs.

        Settings of the tenant's database and roles are overridden, as in every session of ours.
        """
        tls = {f"PG{name.upper()}": str(value) for name, value in postgres.ssl_options().items()}
        names = {"PGHOST": "host", "PGPORT": "port", "PGDATABASE": "dbname", "PGUSER": "username"}
        return {
            **{variable: str(self.document[name]) for variable, name in names.items()},
            **tls,
            "PGPASSWORD": str(self.document["password"]),
            "PGPASSFILE": NEVER_READ,
            "PGSERVICEFILE": NEVER_READ,
            "PGGSSENCMODE": "disable",
            "PGTARGETSESSIONATTRS": "primary",
            "PGCONNECT_TIMEOUT": str(postgres.CONNECT_TIMEOUT_SECONDS),
            "PGAPPNAME": "provisioner",
            "PGOPTIONS": self._options(),
            "LD_LIBRARY_PATH": configuration.optional("PG_DUMP_LIBRARIES"),
            "LC_ALL": "C",
        }

    def _options(self) -> str:
        # A tenant can set these for its database so low that a session ends before it could change them.
        timeouts = {"statement_timeout": "0"}
        if self.server_version >= postgres.TRANSACTION_TIMEOUT_SINCE:
            timeouts["transaction_timeout"] = "0"
        return postgres.options(**timeouts)


class Dump:
    """A running pg_dump. Leaving the block ends it."""

    def __init__(self, source: Source, ends_at: float) -> None:
        """Start it, to end by that monotonic time. Raise Misconfigured if there is no pg_dump."""
        self._ends_at = ends_at
        self._words = bytearray()
        try:
            self._process = subprocess.Popen(  # noqa: S603 (no shell, and every argument is ours or quoted)
                [program(), *source.arguments()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=source.environment(),
                pipesize=SHORTEST_PIPE_BYTES,
            )
        except OSError as error:
            raise Misconfigured(f"pg_dump cannot be started ({type(error).__name__}): PG_DUMP names it") from None
        self._output = cast("IO[bytes]", self._process.stdout)
        self._errors = cast("IO[bytes]", self._process.stderr)
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGKILL)
        self._process.wait()
        self._listener.join()
        self._output.close()
        self._errors.close()

    def wait_for_first(self) -> None:
        """Return once it has begun to write, or has ended. By then it has locked every table. Raise ExportFailed."""
        while not self._is_readable():
            self._check_time()

    def parts(self) -> Iterator[bytes]:
        """Yield what it writes in parts of PART_BYTES, and b"" at least each WAIT_SECONDS. The last part is shorter.

        Raise ExportRefused or ExportFailed unless it ends with exit code 0; a part that was yielded is then no dump.
        """
        part, seen = bytearray(), time.monotonic()
        while True:
            self._check_time()
            if time.monotonic() - seen > WAIT_SECONDS or not self._is_readable():
                seen = time.monotonic()
                yield b""
                continue
            read = os.read(self._output.fileno(), min(READ_BYTES, PART_BYTES - len(part)))
            part += read
            if not read:
                break
            if len(part) == PART_BYTES:
                yield bytes(part)
                part.clear()
        self._check_exit()
        if part:
            yield bytes(part)

    def _is_readable(self) -> bool:
        return bool(select.select([self._output], [], [], WAIT_SECONDS)[0])

    def _check_time(self) -> None:
        if time.monotonic() > self._ends_at:
            raise ExportFailed("the dump did not end within the time of the function")

    def _check_exit(self) -> None:
        try:
            code = self._process.wait(max(0.0, self._ends_at - time.monotonic()))
        except subprocess.TimeoutExpired:
            self._check_time()
            raise
        self._listener.join()
        if code != 0:
            raise refusal(code, self._words.decode(errors="replace"))

    def _listen(self) -> None:
        with suppress(ValueError, OSError):
            while words := os.read(self._errors.fileno(), KEPT_WORDS):
                self._words = (self._words + words)[-KEPT_WORDS:]


def program() -> str:
    """Return the path of pg_dump. Raise Misconfigured."""
    return configuration.required("PG_DUMP")


def version() -> str:
    """Return pg_dump's version, such as 18.6. Raise Misconfigured if it does not run."""
    environment = {"LD_LIBRARY_PATH": configuration.optional("PG_DUMP_LIBRARIES"), "LC_ALL": "C"}
    try:
        said = subprocess.run(  # noqa: S603 (as above)
            [program(), "--version"], env=environment, capture_output=True, text=True, check=True, timeout=10
        ).stdout
    except (OSError, subprocess.SubprocessError) as error:
        raise Misconfigured(f"pg_dump does not run ({type(error).__name__}): PG_DUMP names it") from None
    return said.split()[-1]


def refusal(code: int, words: str) -> ProvisioningError:
    """Return the error for an exit code. Of what pg_dump says only known words are repeated: it quotes the tenant's."""
    if known := next((found for one in PERMANENT if (found := one.search(words))), None):
        return ExportRefused(f"pg_dump was refused: {known[0]}")
    if TRANSIENT.search(words):
        return ExportFailed(f"a lock on a table of the tenant held up pg_dump for {LOCK_SECONDS} s")
    return ExportFailed(f"pg_dump ended with exit code {code}")


def _literal(schema: str) -> str:
    """Return the pattern that matches this schema only."""
    return '"' + schema.replace('"', '""') + '"'
