"""What a stack leaves in its directory for others to find: a record without secrets, and a lock while it runs."""

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from local.errors import HumanError

READY = "ready"
RECORDED = frozenset({"endpoint_url", "state_machine_arn", "ports", "environment"})
POLL_SECONDS = 0.05


def prepare(state_directory: Path) -> None:
    """Create the directory. Raise HumanError if it cannot be one that this user can write to."""
    try:
        state_directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        _lock_file(state_directory).touch(mode=0o600)
    except OSError as error:
        raise HumanError(f"{state_directory} cannot hold the stack's state: {error.strerror}") from error


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
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        try:
            yield
        finally:
            lock.truncate(0)


def holder(state_directory: Path) -> int | None:
    """Return the id of the process that holds the directory, or None."""
    holding = _holding(state_directory)
    return int(holding[0]) if holding else None


def wait_until_ready(state_directory: Path, seconds: float) -> bool:
    """Wait while a stack is starting. Return whether it is ready: False if none runs, or not within that time."""
    deadline = time.monotonic() + seconds
    while holding := _holding(state_directory):
        if READY in holding:
            return True
        if time.monotonic() > deadline:
            break
        time.sleep(POLL_SECONDS)
    return False


def write(state_directory: Path, **facts: Any) -> None:
    """Replace the record, and say that the stack is ready. Only the holder may."""
    path = _record_file(state_directory)
    beside = path.with_suffix(".new")
    beside.write_text(json.dumps(facts, indent=2) + "\n")
    beside.replace(path)
    with _lock_file(state_directory).open("a") as lock:
        lock.write(f"{READY}\n")


def read(state_directory: Path) -> dict[str, Any] | None:
    """Return what the last start recorded, or None before the first. Raise HumanError if the record is damaged."""
    path = _record_file(state_directory)
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (ValueError, RecursionError):
        facts = None
    if not isinstance(facts, dict) or not facts.keys() >= RECORDED:
        raise HumanError(f"{path} is damaged: remove it, and the next `provision up` writes it with other ports")
    return facts


def _holding(state_directory: Path) -> list[str]:
    """Return the words in the file that the holder has locked; none if nobody has."""
    try:
        with _lock_file(state_directory).open() as lock:
            while True:
                try:
                    fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
                except OSError:
                    pass
                else:
                    return []
                lock.seek(0)
                if words := lock.read().split():
                    return words if words[0].isdecimal() else []
                # The holder has locked the file and not yet written to it.
                time.sleep(POLL_SECONDS)
    except (FileNotFoundError, NotADirectoryError):
        return []


def _lock_file(state_directory: Path) -> Path:
    return state_directory / "lock"


def _record_file(state_directory: Path) -> Path:
    return state_directory / "stack.json"
