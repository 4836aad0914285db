"""Start environments beside a stack, and lets them work one at a time or many at once."""

import multiprocessing
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, ParamSpec, TypeVar

from bench import environment, processor
from local.stack import Stack
from local.template import REPOSITORY

Arguments = ParamSpec("Arguments")
Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Burst(Generic[Answer]):
    """Work that was done some at once: what each answered, the seconds of all, and what failed.

    And the processor's seconds by groups of processes, and those that a job's processes waited for a core, where they
    can be counted.
    """

    answers: list[Answer]
    seconds: float
    failures: list[str]
    processor: dict[str, float]
    queued: float


class Environments:
    """Warm environments of one stack."""

    def __init__(self, processes: ProcessPoolExecutor, watch: processor.Watch) -> None:
        self._processes = processes
        self._watch = watch

    def run(self, work: Callable[Arguments, Answer], *arguments: Arguments.args, **named: Arguments.kwargs) -> Answer:
        """Let one environment do the work and returns its answer. Raises what the work raises."""
        return self._processes.submit(work, *arguments, **named).result()

    def burst(self, work: Callable[[], Answer], jobs: int, at_once: int) -> Burst[Answer]:
        """Do the work that often, so many at once; a failure is noted and does not end the burst."""
        failures: list[str] = []

        answers: list[Answer] = []

        def one(_: int) -> None:
            try:
                answers.append(self.run(work))
            except Exception as error:  # noqa: BLE001 (whatever it is, it is a job that failed)
                failures.append(f"{type(error).__name__}: {error}")

        with ThreadPoolExecutor(at_once) as callers:
            before, started = self._watch.snapshot(), time.perf_counter()
            list(callers.map(one, range(jobs)))
            # The callers are still there, and so is what they had of the processor.
            seconds, after = time.perf_counter() - started, self._watch.snapshot()
        spent, queued = (before.until(after), before.queued_until(after)) if before and after else ({}, 0.0)
        return Burst(answers, seconds, failures, spent, queued)


@contextmanager
def environments(stack: Stack, count: int, *, forgetful: bool = False) -> Iterator[Environments]:
    """Start that many environments, each warmed by a job, and end them afterwards.

    forgetful ones keep no tenant's secret: their jobs fill a server, and are not measured.
    """
    with started(settings_of(stack, forgetful=forgetful), stack.postgres.directory, count) as found:
        yield found


@contextmanager
def started(settings: environment.Settings, postgres: Path, count: int) -> Iterator[Environments]:
    """Start environments of a stack that may run in another process, whose server is in that directory."""
    # Forked from a process that has the libraries in memory, and neither the stack's threads nor its connections.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["local.postgres", "bench.environment", "boto3", "aws_lambda_powertools"])
    with ProcessPoolExecutor(count, context, environment.start, (settings,)) as processes:
        found = Environments(processes, processor.Watch(postgres))
        for future in [processes.submit(time.sleep, 0.1) for _ in range(count)]:
            future.result()
        yield found


def settings_of(stack: Stack, *, forgetful: bool = False) -> environment.Settings:
    """Return what environments of a stack of this process are started with."""
    superuser = stack.postgres.connect()
    login: dict[str, Any] = {
        "host": superuser.info.host,
        "port": superuser.info.port,
        "user": superuser.info.user,
        "password": superuser.info.password,
        "sslmode": "disable",
    }
    superuser.close()
    log = stack.state_directory / "bench.log"
    return environment.Settings(dict(os.environ), str(REPOSITORY / "functions"), login, str(log), forgetful)
