"""One cell of the matrix: one run through the shipped state machine with a fault in it, then a look at the world."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from cli.rollback import roll_back_again
from local.stack import Stack
from provisioning import control_plane
from provisioning.control_plane import Project
from tests.executions.last_look import look_last
from tests.executions.running import SERVICES
from tests.executions.worlds import (
    look,
    problems_after_last_look,
    problems_of_gone,
    problems_of_provisioned,
    problems_of_rolled_back,
)
from tests.faults.boundary import Boundary, Point
from tests.faults.faults import LASTING, Fault, Injection

QUIET_SECONDS = 20.0
LOOKS = 3
ORGANIZATION = "org-faults"
ROLLBACK = ("RevokeApiKeysFunction", "DeregisterServicesFunction", "DropDatabaseFunction", "RecordFailureFunction")
MAKING = ("CreateDatabaseFunction", "CreateSchemaFunction")
LAST_STAGE = ("FinalizeFunction", 1)
SIZE, SIZE_WITHOUT_POOL = "db.t3.micro", "db.t3.small"
SLOW = (Fault.SLOW, Fault.SLOW_EVERY_ATTEMPT)


class Job(StrEnum):
    """What kind of job a cell is, which decides the I/O points that it meets."""

    FROM_POOL = "provision from the pool"
    FROM_NOTHING = "provision from nothing"
    ROLLED_BACK = "roll back"
    """Its last stage fails permanently, so that the compensations run."""

    @property
    def size(self) -> str:
        """The size that its payload asks for: that of the cluster with a pool, or of the one without."""
        return SIZE_WITHOUT_POOL if self is Job.FROM_NOTHING else SIZE

    def has(self, point: Point) -> bool:
        """Return whether the point is this kind's own: where a tenant comes from matters to the stages that make it."""
        if self is Job.FROM_NOTHING:
            return point.function in MAKING
        return (point.function in ROLLBACK) == (self is Job.ROLLED_BACK)


@dataclass(frozen=True)
class Cell:
    """A fault at a point of a job."""

    job: Job
    point: Point
    fault: Fault
    second_point: Point | None = None
    """Where a compensation crashes once, besides."""

    @property
    def kind(self) -> tuple[str, str, str]:
        """Job type, stage and fault: a sample has a cell of each."""
        return self.job, self.point.function, self.fault

    @property
    def name(self) -> str:
        """How the cell is called in a report."""
        also = f" + crash at {self.second_point.function} {self.second_point.number}" if self.second_point else ""
        return f"{self.job}: {self.point.function} {self.point.number} ({self.point.what}): {self.fault}{also}"


@dataclass(frozen=True)
class Verdict:
    """What was found wrong (nothing, when the cell survived), how the execution ended, and whether the fault struck."""

    cell: Cell
    status: str
    struck: bool
    problems: list[str]


class Laboratory:
    """Runs cells on one stack, each with a project and a job of its own."""

    def __init__(self, stack: Stack, boundary: Boundary) -> None:
        self._stack = stack
        self._boundary = boundary

    def points(self, job: Job) -> list[Point]:
        """Return the I/O points of a job of this kind that meets no fault but its own, in an order of their own."""
        injection = Injection({LAST_STAGE: Fault.EVERY_ATTEMPT} if job is Job.ROLLED_BACK else {}, self._deliver)
        self._run(f"points-of-{job.name}".lower(), job, injection)
        return sorted({point for point in injection.seen if job.has(point)}, key=lambda point: point.place)

    def run(self, cell: Cell, number: int) -> Verdict:
        """Run the cell and look at the world, after every attempt that slept has resumed and ended."""
        faults = {cell.point.place: cell.fault}
        if cell.job is Job.ROLLED_BACK:
            faults[LAST_STAGE] = Fault.EVERY_ATTEMPT
        if cell.second_point is not None:
            faults[cell.second_point.place] = Fault.CRASH_BEFORE
        injection = Injection(faults, self._deliver)
        project_id = f"cell-{number}"
        problems: list[str] = []
        execution = self._run(project_id, cell.job, injection, problems)
        if cell.fault is Fault.DUPLICATE:
            for function, event in injection.events.items():
                self._deliver(function, event)
        problems += self._problems(cell, project_id, execution)
        return Verdict(cell, execution["status"], injection.struck > 0, problems)

    def _run(
        self, project_id: str, job: Job, injection: Injection, problems: list[str] | None = None
    ) -> dict[str, Any]:
        # However many jobs run at once: each finds a ready tenant, so that its points are the same in every run.
        self._deliver("RefillPoolsFunction", "{}")
        control_plane.connect().record_project(Project(project_id, ORGANIZATION, "owner", "us-east-1"))
        job_id = f"job-{project_id}"
        with self._boundary.watching(job_id, injection.intercept):
            execution = self._stack.run(payload(project_id, job.size), job_id, timeout=120)
            injection.wake()
            if not self._boundary.wait_until_quiet(job_id, QUIET_SECONDS) and problems is not None:
                problems.append("an attempt never ended")
        return execution

    def _problems(self, cell: Cell, project_id: str, execution: dict[str, Any]) -> list[str]:
        if execution["status"] == "SUCCEEDED":
            expected = [] if cell.job is not Job.ROLLED_BACK else ["it succeeded although its last stage fails"]
            return expected + problems_of_provisioned(look(self._stack, project_id), payload(project_id, cell.job.size))
        problems = []
        if cell.fault not in LASTING and cell.job is not Job.ROLLED_BACK:
            problems.append(f"one fault made the execution fail: {execution.get('error')}: {execution.get('cause')}")
        if cell.fault in LASTING and cell.point.function in ROLLBACK:
            problems += self._roll_back_again(project_id)
        return problems + self._problems_of_rollback(cell, project_id)

    def _roll_back_again(self, project_id: str) -> list[str]:
        """A compensation whose attempts all fail may leave something, which the job names, or be recorded nowhere."""
        if not problems_of_rolled_back(look(self._stack, project_id)):
            return []
        client = self._stack.client("stepfunctions")
        outcome = roll_back_again(client, self._stack.state_machine_arn, f"job-{project_id}")
        return [] if outcome.clean else [f"rolled back again: {outcome.status}: {outcome.cause}"]

    def _problems_of_rollback(self, cell: Cell, project_id: str) -> list[str]:
        if cell.fault not in SLOW:
            return problems_after_last_look(self._stack, project_id)
        # An attempt that woke up after the rollback may have made something: the last look removes it, and is repeated.
        for _ in range(LOOKS):
            look_last(self._stack, project_id)
        return problems_of_gone(look(self._stack, project_id))

    def _deliver(self, function: str, event: str) -> Any:
        return self._stack.runtime.invoke(function, event)


def payload(project_id: str, size: str = SIZE) -> dict[str, Any]:
    """Return a payload with every service and three keys."""
    return {
        "project_id": project_id,
        "region": "us-east-1",
        "organization_id": ORGANIZATION,
        "database": {"size": size},
        "services": dict.fromkeys(SERVICES, True),
        "api_keys": {"count": 3, "prefix": "faults"},
    }
