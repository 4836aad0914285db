"""A PostgreSQL of other programs than the wheel's, of any major version since 15."""

import os
import re
import subprocess
from functools import cache
from pathlib import Path

from typing_extensions import override

from local.postgres import PostgresFailed, PostgresServer
from provisioning.jobs.payload import DatabaseRequest

SINCE_16 = r"-c \S*reserved_connections=\S+ ?"
SINCE_17 = r"^--(locale-provider|builtin-locale)=.*$"
SINCE_18 = r"-c \S*extension_control_path=\S+ ?"


class OtherServer(PostgresServer):
    """Like the stack's own server, from the programs of a subclass."""

    programs: Path
    """The directory with initdb and pg_ctl, which every user may enter: PostgreSQL does not run as root."""

    @override
    def _run(self, command: str, data: Path, *arguments: str) -> None:
        identity = {"user": self._user, "group": self._user, "extra_groups": []} if self._user else {}
        unknown = re.compile("|".join(self._unknown()))
        asked = [kept for argument in arguments if (kept := unknown.sub("", argument))]
        output = subprocess.DEVNULL
        done = subprocess.run(  # type: ignore[call-overload]
            [str(self.programs / command), "-D", str(data), *asked], check=False, cwd="/", stdout=output, **identity
        )
        if done.returncode:
            raise PostgresFailed(f"{command} failed")

    def _unknown(self) -> list[str]:
        version = major_version(self.programs)
        return [option for since, option in ((16, SINCE_16), (17, SINCE_17), (18, SINCE_18)) if version < since] or [
            "(?!)"
        ]


def from_programs(directory: Path) -> type[PostgresServer]:
    """Return the server that these programs make."""
    return type("ServerOfPrograms", (OtherServer,), {"programs": directory})


def chosen() -> type[PostgresServer]:
    """Return the server that POSTGRES=DIRECTORY makes of its programs, or without it the wheel's."""
    programs = os.environ.get("POSTGRES")
    return from_programs(Path(programs)) if programs else PostgresServer


@cache
def chosen_version() -> str:
    """Return the major version of the chosen server, as a payload names it."""
    programs = os.environ.get("POSTGRES")
    return str(major_version(Path(programs))) if programs else DatabaseRequest().version


def major_version(programs: Path) -> int:
    """Return the major version that these programs are of."""
    said = subprocess.run([programs / "postgres", "--version"], check=True, capture_output=True, text=True).stdout
    (version,) = re.findall(r"PostgreSQL\) (\d+)", said)
    return int(version)
