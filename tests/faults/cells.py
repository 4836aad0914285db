"""One cell of the matrix: one run through the shipped state machine with a fault in it, then a look at the world."""

import json
from dataclasses import dataclass
from typing import Any

from local.stack import Stack
from provisioning import control_plane
from provisioning.control_plane import Project
from tests.executions.worlds import look, problems_of_provisioned, problems_of_rolled_back
from tests.faults.boundary import Boundary, Point
from tests.faults.faults import LASTING, Fault, Injection

QUIET_SECONDS = 20.0
ORGANIZATION = "org-faults"
ROLLBACK = ("RevokeApiKeysFunction", "DeregisterServicesFunction", "DropDatabaseFunction", "RecordFailureFunction")
LAST_STAGE = ("FinalizeFunction", 1)


@dataclass(frozen=True)
class Cell:
    """A fault at a point; with_failure makes the last stage fail for good, so that the compensations run."""

    point: Point
    fault: Fault
    with_failure: bool = False
    second_point: Point | None = None
    """Where a compensation crashes once, besides."""

    @property
    def name(self) -> str:
        """How the cell is called in a report."""
        also = f" + crash at {self.second_point.function} {self.second_point.number}" if self.second_point else ""
        return f"{self.point.function} {self.point.number} ({self.point.what}): {self.fault}{also}"


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

    def points(self, *, with_failure: bool) -> list[Point]:
        """Returns the I/O points of a clean run, or of the compensations of a run whose last stage fails for good."""
        faults = {LAST_STAGE: Fault.FOR_GOOD} if with_failure else {}
        injection = Injection(faults, self._deliver)
        self._run("points-of-failure" if with_failure else "points-of-success", injection)
        seen = dict.fromkeys(injection.seen)
        return [point for point in seen if (point.function in ROLLBACK) == with_failure]

    def run(self, cell: Cell, number: int) -> Verdict:
        """Runs the cell and looks at the world, after every attempt that slept has gone on and ended."""
        faults = {(cell.point.function, cell.point.number): cell.fault}
        if cell.with_failure:
            faults[LAST_STAGE] = Fault.FOR_GOOD
        if cell.second_point is not None:
            faults[cell.second_point.function, cell.second_point.number] = Fault.CRASH_BEFORE
        injection = Injection(faults, self._deliver)
        project_id = f"{'back' if cell.with_failure else 'forth'}-{number}"
        problems: list[str] = []
        execution = self._run(project_id, injection, problems)
        if cell.fault is Fault.DUPLICATE:
            for function, event in injection.events.items():
                self._deliver(function, event)
        problems += self._problems(cell, project_id, execution, injection)
        return Verdict(cell, execution["status"], injection.struck > 0, problems)

    def _run(self, project_id: str, injection: Injection, problems: list[str] | None = None) -> dict[str, Any]:
        # However many jobs run at once: each finds an entry, so that its points are the same in every run.
        self._deliver("RefillPoolsFunction", '{"job_id": "refill"}')
        control_plane.connect().create_project(Project(project_id, ORGANIZATION, "owner", "us-east-1"))
        job_id = f"job-{project_id}"
        with self._boundary.watching(job_id, injection.intercept):
            execution = self._stack.run(payload(project_id), job_id, timeout=120)
            injection.wake()
            if not self._boundary.wait_until_quiet(job_id, QUIET_SECONDS) and problems is not None:
                problems.append("an attempt never ended")
        return execution

    def _problems(self, cell: Cell, project_id: str, execution: dict[str, Any], injection: Injection) -> list[str]:
        if execution["status"] == "SUCCEEDED":
            expected = [] if not cell.with_failure else ["it succeeded although its last stage fails"]
            world = look(self._stack, project_id)
            return expected + problems_of_provisioned(world, payload(project_id))
        problems = []
        if cell.fault not in LASTING and not cell.with_failure and cell.second_point is None:
            problems.append(f"one fault made the execution fail: {execution.get('error')}: {execution.get('cause')}")
        problems += problems_of_rolled_back(look(self._stack, project_id))
        if problems and cell.fault in LASTING and cell.point.function in ROLLBACK:
            # A compensation that fails for good leaves something, and names it; run again, it leaves nothing.
            self._roll_back_again(injection, project_id)
            problems = problems_of_rolled_back(look(self._stack, project_id))
        return problems

    def _roll_back_again(self, injection: Injection, project_id: str) -> None:
        event = json.dumps({"job_id": f"job-{project_id}"})
        for function in ROLLBACK[:-1]:
            self._deliver(function, event)
        self._deliver(ROLLBACK[-1], injection.events.get(ROLLBACK[-1], event))

    def _deliver(self, function: str, event: str) -> Any:
        return self._stack.runtime.invoke(function, event)


def payload(project_id: str) -> dict[str, Any]:
    """Returns a payload with every service and three keys."""
    return {
        "project_id": project_id,
        "region": "us-east-1",
        "organization_id": ORGANIZATION,
        "services": {"auth": True, "realtime": True, "storage": True, "pooler": True},
        "api_keys": {"count": 3, "prefix": "faults"},
    }
