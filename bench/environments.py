"""Start environments beside a stack, and let them work one at a time or many at once."""

import multiprocessing
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from bench import environment, server
from bench.processor import Watch
from local.stack import Stack

Arguments = ParamSpec("Arguments")
Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Burst:
    """Jobs, some at once: the milliseconds of each, the seconds of all, and those of the processor by group."""

    ms: list[float]
    seconds: float
    processor: dict[str, float]


class Environments:
    """Warm environments of one stack."""

    def __init__(self, processes: ProcessPoolExecutor, watch: Watch) -> None:
        self._processes = processes
        self._watch = watch

    def run(self, work: Callable[Arguments, Answer], *arguments: Arguments.args, **named: Arguments.kwargs) -> Answer:
        """Let one environment do the work and return its answer. Raises what the work raises."""
        return self._processes.submit(work, *arguments, **named).result()

    def burst(self, jobs: int, at_once: int) -> Burst:
        """Provision that many projects, so many at once. Raises what the first that fails raises."""
        with ThreadPoolExecutor(at_once) as callers:
            before, started = self._watch.seconds(), time.perf_counter()
            ms = list(callers.map(lambda _: self.run(environment.provision), range(jobs)))
            seconds, after = time.perf_counter() - started, self._watch.seconds()
        return Burst(ms, seconds, {group: after[group] - had for group, had in before.items()})


@contextmanager
def environments(stack: Stack, count: int) -> Iterator[Environments]:
    """Start that many environments, each warmed by a job, and end them afterwards."""
    with _started(_settings(stack), stack.postgres.directory, count) as found:
        yield found


@contextmanager
def beside(directory: Path) -> Iterator[Environments]:
    """Start a second stack in that directory and one environment of it, and end both afterwards.

    The stack has a process of its own and takes turns with the measured one: what the hour does falls on both.
    """
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_run_stack, args=(directory, theirs))
    process.start()
    theirs.close()
    try:
        with _started(ours.recv(), directory / "postgres", 1) as found:
            yield found
    finally:
        ours.close()
        process.join()


def _run_stack(directory: Path, bench: Connection) -> None:
    """Run a stack for as long as the bench listens."""
    with server.started(directory) as stack:
        bench.send(_settings(stack))
        with suppress(EOFError):
            bench.recv()


@contextmanager
def _started(settings: environment.Settings, postgres: Path, count: int) -> Iterator[Environments]:
    """Start environments of a stack that may run in another process, whose server is in that directory."""
    # Forked from a process that has the libraries in memory, and neither the stack's threads nor its connections.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["local.postgres", "bench.environment", "boto3", "aws_lambda_powertools"])
    with ProcessPoolExecutor(count, context, environment.start, (settings,)) as processes:
        for future in [processes.submit(time.sleep, 0.1) for _ in range(count)]:
            future.result()
        yield Environments(processes, Watch(postgres))


def _settings(stack: Stack) -> environment.Settings:
    """Return what environments of a stack of this process are started with."""
    login: dict[str, Any] = server.login(stack) | {"sslmode": "disable"}
    return environment.Settings(dict(os.environ), login, str(stack.state_directory / "bench.log"))
