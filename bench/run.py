"""One whole run: databases in memory, the same on a disk, growth on that disk, imports."""

import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import access, comparison, concurrency, growth, imports, machine, server
from bench.beside import beside
from bench.django_tenants_peer import django_tenants
from bench.environments import environments
from local.stack import Stack

BEGAN = time.monotonic()


@dataclass(frozen=True)
class Options:
    """How much is measured, and where; nothing in memory where there is no such directory."""

    rounds: int
    at_once: list[int]
    growth: int
    memory: Path | None
    disk: Path
    command: str

    @property
    def passes(self) -> int:
        """How often what many do at once takes its turn."""
        return 3 if self.rounds >= 20 else 1


def measure(options: Options) -> dict[str, Any]:
    """Run everything, say on stderr what it is at, and return the results.

    On a disk nothing is removed before the end: an ext4 without a journal does not take the inodes of the last minute's
    deleted files again, and looks through them whenever a file is made, which a CREATE DATABASE does hundreds of times.
    """
    with ExitStack() as made:
        return _measured(options, made)


def _measured(options: Options, made: ExitStack) -> dict[str, Any]:
    results: dict[str, Any] = {"command": options.command, "rounds": options.rounds, "machine": machine.describe()}
    if options.memory is not None:
        with ExitStack() as made_in_memory:
            results["memory"] = _part(options, _directory(options.memory, made_in_memory), "memory")
    results["disk"] = _part(options, _directory(options.disk, made), "disk")
    if options.growth:
        with beside(_directory(options.disk, made)) as empty, _stack(_directory(options.disk, made)) as stack:
            results["disk"]["growth"] = growth.measure(
                stack, empty, options.growth, options.rounds, _progress("growth")
            )
    results["imports"] = imports.measure(options.rounds, _progress("imports"))
    results["machine"]["load_average_at_end"] = [round(load, 2) for load in os.getloadavg()]
    results["seconds"] = round(time.monotonic() - BEGAN)
    return results


def _directory(place: Path, made: ExitStack) -> Path:
    """Yield a new directory on a file system, and remove it afterwards."""
    return Path(made.enter_context(tempfile.TemporaryDirectory(prefix="bench-", dir=place)))


@contextmanager
def _stack(directory: Path) -> Iterator[Stack]:
    """Yield a stack with fsync on."""
    with Stack(directory, fsync=True) as stack:
        server.prepare(stack)
        yield stack


def _part(options: Options, directory: Path, name: str) -> dict[str, Any]:
    """Return what is measured both in memory and on a disk."""
    with _stack(directory) as stack:
        part: dict[str, Any] = {
            "file_system": machine.file_system(directory),
            "postgresql": server.describe(stack),
        }
        with environments(stack, 1) as warm:
            with django_tenants(stack) as peer:
                part |= comparison.compare(stack, warm, peer, options.rounds, _progress(f"{name}, comparison"))
            part["access"] = access.measure(warm, options.rounds, _progress(f"{name}, suspend and resume"))
        # Each DROP DATABASE waits for a checkpoint: on a disk what was made stays until the server goes.
        tidy = server.clear if name == "memory" else server.checkpoint
        tidy(stack)
        with ExitStack() as started:
            part["concurrency"] = concurrency.measure(
                stack,
                {number: started.enter_context(environments(stack, number)) for number in options.at_once},
                options.rounds * 3,
                options.passes,
                tidy,
                _progress(f"{name}, concurrency"),
            )
        return part


def _progress(part: str) -> Callable[[str], None]:
    return lambda what: print(f"{time.monotonic() - BEGAN:5.0f} s  {part}: {what}", file=sys.stderr, flush=True)
