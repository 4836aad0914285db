"""The platform's own schema for every tenant: numbered files of plain SQL, tenant_schema/NNNN_name.sql.

Each file is a transaction with the record that it ran. One whose first line is the marker below holds one statement
that PostgreSQL runs in no transaction, such as CREATE INDEX CONCURRENTLY. Nothing in a file is a placeholder.
"""

import re
from pathlib import Path
from typing import NamedTuple

from provisioning.errors import Misconfigured

DIRECTORY = Path(__file__).parents[2] / "tenant_schema"
NAME = re.compile(r"(\d+)[_-]\S*\.sql")
MARKER = "-- provisioner: no transaction"
LARGEST = 2**31 - 1


class SchemaFile(NamedTuple):
    """A file, by its number: that of the newest is the version of a tenant's schema."""

    version: int
    path: Path

    @property
    def text(self) -> str:
        """The SQL, as any tool writes it. Raise Misconfigured if it is not UTF-8."""
        try:
            return self.path.read_text(encoding="utf-8-sig")
        except UnicodeDecodeError:
            raise Misconfigured(f"{self.path.name} is not text in UTF-8") from None

    @property
    def is_marked(self) -> bool:
        """Whether it runs in no transaction."""
        return self.text.partition("\n")[0].strip() == MARKER

    def line_of(self, position: int) -> int:
        """Return the line of a character, both counted from 1, as PostgreSQL counts."""
        return self.text.count("\n", 0, position - 1) + 1


def load(directory: Path) -> list[SchemaFile]:
    """Return the files of a directory in the order of their numbers; none is a schema too. Raise Misconfigured.

    Every .sql file there must have a number of its own, so that none is left out or applied twice by mistake.
    """
    found: dict[int, SchemaFile] = {}
    for path in sorted(directory.glob("*.sql")):
        named = NAME.fullmatch(path.name)
        version = int(named[1]) if named else 0
        if not 0 < version <= LARGEST:
            raise Misconfigured(f"{path.name} does not begin with a number from 1 to {LARGEST} and an underscore")
        if version in found:
            raise Misconfigured(f"{path.name} has the number of {found[version].path.name}")
        found[version] = SchemaFile(version, path)
    return [found[version] for version in sorted(found)]
