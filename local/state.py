"""What a stack leaves in its directory for others to find: a record without secrets, and a lock while it runs."""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from local.errors import HumanError


@contextmanager
def hold(state_directory: Path) -> Iterator[None]:
    """Hold the directory for this process. The system releases it when the process ends, for whatever reason.

    Raise HumanError while another process, or another stack of this process, holds it.
    """
    with _lock_file(state_directory).open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise HumanError(f"a stack is already running with its state in {state_directory}") from error
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


def holder(state_directory: Path) -> int | None:
    """Return the id of the process that holds the directory, or None."""
    path = _lock_file(state_directory)
    if not path.exists():
        return None
    with path.open() as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return int(lock.read() or 0) or None
    return None


def write(state_directory: Path, **facts: Any) -> None:
    """Replace the record."""
    path = _record_file(state_directory)
    beside = path.with_suffix(".new")
    beside.write_text(json.dumps(facts, indent=2) + "\n")
    beside.replace(path)


def read(state_directory: Path) -> dict[str, Any] | None:
    """Return what the last start recorded, or None before the first."""
    path = _record_file(state_directory)
    facts: dict[str, Any] | None = json.loads(path.read_text()) if path.exists() else None
    return facts


def _lock_file(state_directory: Path) -> Path:
    return state_directory / "lock"


def _record_file(state_directory: Path) -> Path:
    return state_directory / "stack.json"
