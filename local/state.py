"""What a stack leaves in its directory for others to find: a record without secrets, and a lock while it runs."""

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from local.errors import AlreadyExists, Unavailable, Unusable

READY = "ready"
DATABASE = "postgres"
"""The directory of the database in that of the stack."""

RECORDED = frozenset({"endpoint_url", "state_machine_arn", "ports", "environment"})
POLL_SECONDS = 0.05
SECONDS_OF_READERS = 0.5
"""How long a start tries again: whoever asks for the holder locks the file, too, for less than a millisecond."""
DEFAULT_PORT = 8083
"""The port of AWS's own Step Functions Local."""
START_TIMEOUT_SECONDS = 60


def prepare(state_directory: Path) -> None:
    """Create the directory, and close it and what is in it to other users.

    Raise HumanError if it cannot be one that this user can write to. The database's own directory is left as it is:
    PostgreSQL checks it, and may have another user's.
    """
    try:
        state_directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        _close(state_directory)
        _lock_file(state_directory).touch(mode=0o600)
    except OSError as error:
        raise Unusable(f"{state_directory} cannot hold the stack's state: {error.strerror}") from error


def create(path: Path) -> TextIO:
    """Open an empty file that only its owner can read, replacing any existing one."""
    path.unlink(missing_ok=True)
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8")


@contextmanager
def hold(state_directory: Path) -> Iterator[None]:
    """Hold the directory for this process. The system releases it when the process ends, for whatever reason.

    Raise HumanError while another process, or another stack of this process, holds it.
    """
    with _lock_file(state_directory).open("a+") as lock:
        deadline = time.monotonic() + SECONDS_OF_READERS
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError as error:
                if time.monotonic() > deadline:
                    raise AlreadyExists(f"a stack is already running with its state in {state_directory}") from error
            time.sleep(0.005)
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


def running(state_directory: Path) -> dict[str, Any]:
    """Return the record of the running stack, once it has started. Raise HumanError if there is none."""
    if wait_until_ready(state_directory, START_TIMEOUT_SECONDS) and (recorded := read(state_directory)) is not None:
        return recorded
    if holder(state_directory) is not None:
        raise Unavailable(
            f"the stack is still starting after {START_TIMEOUT_SECONDS} s: see {state_directory}/stack.log"
        )
    raise Unavailable("the stack is not running: start it with `provision up`")


def write(state_directory: Path, **facts: Any) -> None:
    """Replace the record, and say that the stack is ready. Only the holder may."""
    path = _record_file(state_directory)
    beside = path.with_suffix(".new")
    with create(beside) as file:
        file.write(json.dumps(facts, indent=2) + "\n")
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
        raise Unusable(f"{path} is damaged: remove it, and the next `provision up` writes it with other ports")
    return facts


def _close(directory: Path) -> None:
    """Take from other users what they may do with a directory and what is below it, except for passing through it.

    The user that runs PostgreSQL for root has to pass through the state directory.
    """
    directory.chmod(directory.stat().st_mode & 0o701 | 0o700)
    for entry in directory.iterdir():
        if entry.is_symlink() or entry.name == DATABASE:
            continue
        if entry.is_dir():
            _close(entry)
        elif entry.is_file():
            entry.chmod(0o600)


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
