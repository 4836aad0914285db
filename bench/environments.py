"""Start environments beside a stack, and let them work one at a time or many at once."""

import multiprocessing
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, ParamSpec, TypeVar

from bench import environment
from bench.processor import Watch
from local.stack import Stack
from local.template import REPOSITORY

Arguments = ParamSpec("Arguments")
Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Burst(Generic[Answer]):
    """Work that was done some at once: what each answered, the seconds of all, and those of the processor by group."""

    answers: list[Answer]
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

    def burst(self, work: Callable[[], Answer], jobs: int, at_once: int) -> Burst[Answer]:
        """Do the work that often, so many at once. Raises what the first that fails raises."""
        with ThreadPoolExecutor(at_once) as callers:
            before, started = self._watch.seconds(), time.perf_counter()
            answers = list(callers.map(lambda _: self.run(work), range(jobs)))
            seconds, after = time.perf_counter() - started, self._watch.seconds()
        return Burst(answers, seconds, {group: after[group] - had for group, had in before.items()})


@contextmanager
def environments(stack: Stack, count: int) -> Iterator[Environments]:
    """Start that many environments, each warmed by a job, and end them afterwards."""
    with started(settings_of(stack), stack.postgres.directory, count) as found:
        yield found


@contextmanager
def started(settings: environment.Settings, postgres: Path, count: int) -> Iterator[Environments]:
    """Start environments of a stack that may run in another process, whose server is in that directory."""
    # Forked from a process that has the libraries in memory, and neither the stack's threads nor its connections.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["local.postgres", "bench.environment", "boto3", "aws_lambda_powertools"])
    with ProcessPoolExecutor(count, context, environment.start, (settings,)) as processes:
        for future in [processes.submit(time.sleep, 0.1) for _ in range(count)]:
            future.result()
        yield Environments(processes, Watch(postgres))


def settings_of(stack: Stack) -> environment.Settings:
    """Return what environments of a stack of this process are started with."""
    superuser = stack.postgres.connect()
    login: dict[str, Any] = {name: getattr(superuser.info, name) for name in ("host", "port", "user", "password")}
    superuser.close()
    log = str(stack.state_directory / "bench.log")
    code = str(REPOSITORY / "functions")
    return environment.Settings(dict(os.environ), code, login | {"sslmode": "disable"}, log)
