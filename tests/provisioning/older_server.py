"""A PostgreSQL before 16, whose memberships have no options and whose creator of a role is no member of it."""

import re
import subprocess
from pathlib import Path

from typing_extensions import override

from local.postgres import PostgresServer

PROGRAMS = Path("/usr/lib/postgresql/15/bin")
"""Where Debian's package has them; PGDG's are the same."""

LATER = re.compile(
    r"-c \S*(?:extension_control_path|reserved_connections)=\S+ ?|^--locale-provider=.*$|^--builtin-locale=.*$"
)
"""What came with later versions."""


class OlderServer(PostgresServer):
    """Like the stack's own server, from those programs."""

    @override
    def _run(self, command: str, data: Path, *arguments: str) -> None:
        identity = {"user": self._user, "group": self._user, "extra_groups": []} if self._user else {}
        asked = [kept for argument in arguments if (kept := LATER.sub("", argument))]
        output = subprocess.DEVNULL
        subprocess.run(  # type: ignore[call-overload]
            [str(PROGRAMS / command), "-D", str(data), *asked], check=True, cwd="/", stdout=output, **identity
        )
