"""A PostgreSQL before 16, whose memberships have no options and whose creator of a role is no member of it."""

from pathlib import Path

from tests.other_server import OtherServer

PROGRAMS = Path("/usr/lib/postgresql/15/bin")
"""Where Debian's package has them; PGDG's are the same."""


class OlderServer(OtherServer):
    """Like the stack's own server, from those programs."""

    programs = PROGRAMS
