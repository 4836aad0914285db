"""One whole run: databases in memory, the same on a disk, growth on that disk, imports."""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from bench import access, comparison, concurrency, growth, imports, machine, server
from bench.django_tenants_peer import django_tenants
from bench.environments import beside, environments

BEGAN = time.monotonic()


class Options(argparse.Namespace):
    """The command line: how much is measured, and where; nothing in memory where there is no such directory."""

    rounds: int
    concurrency: list[int]
    growth: int
    memory: Path | None
    disk: Path
    output: Path
    publish: bool
    against: str | None


def measure(options: Options, command: str) -> dict[str, Any]:
    """Run everything, say on stderr what it is at, and return the results.

    On a disk nothing is removed before the end: an ext4 without a journal does not take the inodes of the last minute's
    deleted files again, and looks through them whenever a file is made, which a CREATE DATABASE does hundreds of times.
    """
    results: dict[str, Any] = {"command": command, "rounds": options.rounds, "machine": machine.describe()}
    if options.memory is not None:
        with ExitStack() as made_in_memory:
            results["memory"] = _part(options, _directory(options.memory, made_in_memory), "memory")
    with ExitStack() as made:
        results["disk"] = _part(options, _directory(options.disk, made), "disk")
        if options.growth:
            there, none = _directory(options.disk, made), _directory(options.disk, made)
            with beside(none) as empty, server.started(there) as stack:
                results["disk"]["growth"] = growth.measure(
                    stack, empty, options.growth, options.rounds, progress("growth")
                )
        results["imports"] = imports.measure(options.rounds, progress("imports"))
    results["machine"]["load_average_at_end"] = [round(load, 2) for load in os.getloadavg()]
    results["seconds"] = round(time.monotonic() - BEGAN)
    return results


def progress(part: str) -> Callable[[str], None]:
    """Return what says on stderr, for one part of a run, what it is at and since when."""
    return lambda what: print(f"{time.monotonic() - BEGAN:5.0f} s  {part}: {what}", file=sys.stderr, flush=True)


def _directory(place: Path, made: ExitStack) -> Path:
    """Make a directory on a file system, which is removed afterwards."""
    return Path(made.enter_context(tempfile.TemporaryDirectory(prefix="bench-", dir=place)))


def _part(options: Options, directory: Path, name: str) -> dict[str, Any]:
    """Return what is measured both in memory and on a disk."""
    with server.started(directory) as stack:
        part: dict[str, Any] = {
            "file_system": machine.file_system(directory),
            "postgresql": server.describe(stack),
        }
        with environments(stack, 1) as warm:
            with django_tenants(stack) as peer:
                part |= comparison.compare(stack, warm, peer, options.rounds, progress(f"{name}, comparison"))
            part["access"] = access.measure(warm, options.rounds, progress(f"{name}, suspend and resume"))
        # Each DROP DATABASE waits for a checkpoint: on a disk what was made stays until the server goes.
        tidy = server.clear if name == "memory" else server.checkpoint
        tidy(stack)
        with ExitStack() as started:
            part["concurrency"] = concurrency.measure(
                stack,
                {number: started.enter_context(environments(stack, number)) for number in options.concurrency},
                options.rounds * 3,
                # How often what many do at once takes its turn.
                3 if options.rounds >= 20 else 1,
                tidy,
                progress(f"{name}, concurrency"),
            )
        return part
