"""A second stack, in a process of its own, that takes turns with the measured one: what the hour does falls on both."""

import multiprocessing
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from pathlib import Path

from bench import server
from bench.environments import Environments, settings_of, started
from local.stack import Stack


@contextmanager
def beside(directory: Path) -> Iterator[Environments]:
    """Start a stack in that directory and one environment of it, and end both afterwards."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_run, args=(directory, theirs))
    process.start()
    theirs.close()
    try:
        with started(ours.recv(), directory / "postgres", 1) as environments:
            yield environments
    finally:
        ours.close()
        process.join()


def _run(directory: Path, bench: Connection) -> None:
    """Run a stack for as long as the bench listens."""
    with Stack(directory, fsync=True) as stack:
        server.prepare(stack)
        bench.send(settings_of(stack))
        with suppress(EOFError):
            bench.recv()
