"""One loss: a job whose control plane or cluster loses its last commits in the middle, then a look at the world."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from local import bootstrap
from local.stack import Stack
from provisioning import control_plane
from provisioning.control_plane import Project
from provisioning.jobs.declaration import JobType
from provisioning.jobs.provision_project import PROVISION_PROJECT
from provisioning.jobs.suspend_project import SUSPEND_PROJECT
from tests.executions.worlds import look
from tests.faults import asking
from tests.faults.boundary import Boundary, Invocation, Operation, Point
from tests.faults.cells import LAST_STAGE, ORGANIZATION, QUIET_SECONDS, payload
from tests.faults.faults import Fault, Injection
from tests.faults.kinds import SIZE, Job
from tests.faults.loss_judge import Judge
from tests.faults.recovery import Servers, Snapshot, set_back, take

Answer = TypeVar("Answer")

PROJECT = "p-of-losses"
COUNTS = (1, 2, 5)
LOOKS = 3


class Loser(StrEnum):
    """What loses its last commits."""

    CONTROL_PLANE = "control plane"
    CLUSTER = "cluster"

    def has(self, database: str) -> bool:
        """Return whether a database is on this server."""
        return bool(database) and (database == bootstrap.CONTROL_PLANE) == (self is Loser.CONTROL_PLANE)


@dataclass(frozen=True)
class Loss:
    """A loss just before a statement is sent to the server: of so many of the job's commits there, or of all."""

    job: Job
    loser: Loser
    point: Point
    count: int | None

    @property
    def kind(self) -> tuple[str, str]:
        """What loses commits of which kind of job: a sample has a loss of each."""
        return self.loser, self.job.name

    @property
    def name(self) -> str:
        """The loss's name in a report."""
        lost = "all" if self.count is None else f"the last {self.count}"
        place = f"{self.point.function} {self.point.number} ({self.point.what})"
        return f"{self.job.name}: before {place} the {self.loser} loses {lost}"


@dataclass(frozen=True)
class Verdict:
    """The problems (none if the promise is kept), and how the execution ended."""

    loss: Loss
    status: str
    error: str
    cause: str
    struck: bool
    problems: list[str]

    @property
    def ending(self) -> str:
        """How a report counts it."""
        if self.status == "SUCCEEDED":
            return "succeeded"
        if "Nothing is left" in self.cause or self.cause.startswith("failed: initializing failed"):
            return "nothing left"
        return "something named"


class _Met(NamedTuple):
    point: Point
    commits: dict[Loser, int]


class Laboratory:
    """Run one loss at a time on a stack whose control plane and cluster are on servers of their own."""

    def __init__(self, stack: Stack, servers: Servers, boundary: Boundary, copies: Path) -> None:
        self._stack = stack
        self._servers = {Loser.CONTROL_PLANE: servers.control, Loser.CLUSTER: servers.cluster}
        self._boundary = boundary
        # What a handler's thread sends is a point of its job.
        self._outside = ThreadPoolExecutor(1)
        self._number = 0
        self._deliver("RefillPoolsFunction", "{}")
        control_plane.connect().record_project(Project(PROJECT, ORGANIZATION, "owner", "us-east-1"))
        self._set_back: Callable[[Snapshot], None] = lambda snapshot: set_back(stack, servers, snapshot)
        new = take(stack, servers, copies / "new")
        self._set_back(new)
        self._prepare(PROVISION_PROJECT.job_type, "made")
        self._before = look(stack, PROJECT)
        live = take(stack, servers, copies / "live")
        self._set_back(live)
        self._prepare(SUSPEND_PROJECT.job_type, "suspended")
        self._snapshots = {"new": new, "live": live, "closed": take(stack, servers, copies / "closed")}

    def losses(self, job: Job) -> list[Loss]:
        """Return every statement of a job of this kind, with every number of commits that can be lost before it."""
        met: list[_Met] = []
        injection = self._injection(job)
        lock = threading.Lock()

        def count(invocation: Invocation, point: Point, operation: Operation) -> Any:
            with lock:
                counts = {one: len(self._do(server.commits)) for one, server in self._servers.items()}
                if invocation.attempt == 1:
                    met.append(_Met(point, counts))
            return injection.intercept(invocation, point, operation)

        self._set_back(self._snapshot(job))
        self._run(job, count)
        return [
            Loss(job, loser, point, lost)
            for point, commits in sorted(met, key=lambda one: one.point.place)
            if job.has(point)
            for loser in Loser
            if loser.has(point.database)
            for lost in (*COUNTS, None)
            if commits[loser] > (lost or 0)
        ]

    def run(self, loss: Loss) -> Verdict:
        """Run the job with the loss, and look at the world."""
        injection, struck, lock = self._injection(loss.job), [False], threading.Lock()

        def lose(invocation: Invocation, point: Point, operation: Operation) -> Any:
            with lock:
                if point.place == loss.point.place and not struck[0]:
                    struck[0] = bool(self._do(self._servers[loss.loser].lose, loss.count))
            return injection.intercept(invocation, point, operation)

        self._set_back(self._snapshot(loss.job))
        execution, problems = self._run(loss.job, lose)
        problems += Judge(self._stack, PROJECT, loss.job, self._job_id(loss.job), self._before).problems(execution)
        error, cause = str(execution.get("error", "")), str(execution.get("cause", ""))
        return Verdict(loss, execution["status"], error, cause, struck[0], problems)

    def _do(self, what: Callable[..., Answer], *arguments: Any) -> Answer:
        return self._outside.submit(what, *arguments).result()

    def _injection(self, job: Job) -> Injection:
        return Injection({LAST_STAGE: Fault.EVERY_ATTEMPT} if job.is_rolled_back else {}, self._deliver)

    def _snapshot(self, job: Job) -> Snapshot:
        return self._snapshots["new" if job.makes_tenant else "closed" if job.finds_closed else "live"]

    def _prepare(self, job_type: JobType, job_id: str) -> None:
        execution = self._start(job_type, job_id)
        if execution["status"] != "SUCCEEDED":
            raise RuntimeError(f"{job_type}: {execution.get('cause')}")

    def _run(self, job: Job, intercept: Any) -> tuple[dict[str, Any], list[str]]:
        self._number += 1
        job_id, document = self._job_id(job), payload(PROJECT, job.size)
        with self._boundary.watching(job_id, intercept):
            if job.is_asked_for:
                execution = asking.run(self._stack, job, self._name, document)
            else:
                execution = self._start(job.job_type, job_id, job.size)
            is_quiet = self._boundary.wait_until_quiet(job_id, QUIET_SECONDS)
        return execution, [] if is_quiet else ["an attempt never ended"]

    @property
    def _name(self) -> str:
        return f"job-{self._number}"

    def _job_id(self, job: Job) -> str:
        return asking.job_id_of(job, self._name)

    def _start(self, job_type: JobType, job_id: str, size: str = SIZE) -> dict[str, Any]:
        document = payload(PROJECT, size) if Job(job_type).makes_tenant else {"project_id": PROJECT}
        return self._stack.run(document, job_id, timeout=120, job_type=job_type)

    def _deliver(self, function: str, event: str) -> Any:
        return self._stack.runtime.invoke(function, event)
