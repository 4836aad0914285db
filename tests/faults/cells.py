"""One cell of the matrix: a run through the shipped state machine with one fault, then a look at the world."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

from psycopg2.extensions import connection as Connection  # noqa: N812

from local.stack import Stack
from provisioning import control_plane
from provisioning.control_plane import Project
from provisioning.jobs.declaration import JobType
from provisioning.jobs.executions import roll_back
from provisioning.jobs.export_project import EXPORT_PROJECT
from provisioning.jobs.provision_project import PROVISION_PROJECT
from provisioning.jobs.registry import StepFunctions
from provisioning.jobs.suspend_project import SUSPEND_PROJECT
from tests.executions.exported import problems_of_exports
from tests.executions.last_look import look_last
from tests.executions.rolling_back import wait_for_outcome
from tests.executions.running import SERVICES
from tests.executions.suspended import (
    come_in,
    forget_prepared,
    is_out,
    problems_of_closed,
    problems_of_job,
    problems_of_open,
)
from tests.executions.worlds import (
    World,
    look,
    problems_after_last_look,
    problems_of_gone,
    problems_of_provisioned,
    problems_of_rolled_back,
)
from tests.faults import asking
from tests.faults.asking import job_id_of
from tests.faults.boundary import Boundary, Point
from tests.faults.faults import LASTING, Fault, Injection
from tests.faults.kinds import SIZE, Job

QUIET_SECONDS = 20.0
LOOKS = 3
ORGANIZATION = "org-faults"
LAST_STAGE = ("FinalizeFunction", 1)
NOT_RUN = "not run"
SLOW = (Fault.SLOW, Fault.SLOW_EVERY_ATTEMPT)


@dataclass(frozen=True)
class Cell:
    """A fault at a point of a job."""

    job: Job
    point: Point
    fault: Fault
    second_point: Point | None = None
    """Where a compensation also crashes, once."""

    @property
    def kind(self) -> tuple[str, str, str]:
        """Job type, stage and fault: a sample has a cell of each."""
        return self.job.name, self.point.function, self.fault

    @property
    def name(self) -> str:
        """The cell's name in a report."""
        also = f" + crash at {self.second_point.function} {self.second_point.number}" if self.second_point else ""
        return f"{self.job.name}: {self.point.function} {self.point.number} ({self.point.what}): {self.fault}{also}"


class Before(NamedTuple):
    """What a job on a live tenant finds: its world, a connected client, and a prepared transaction."""

    world: World
    client: Connection | None


@dataclass(frozen=True)
class Verdict:
    """The problems (none if the cell survived), how the execution ended, and whether the fault struck."""

    cell: Cell
    status: str
    struck: bool
    problems: list[str]


class NotPreparedError(Exception):
    """What a cell's job needs was not made."""


class Laboratory:
    """Run cells on one stack, each with a project and a job of its own."""

    def __init__(self, stack: Stack, boundary: Boundary) -> None:
        self._stack = stack
        self._boundary = boundary

    def points(self, job: Job) -> list[Point]:
        """Return the I/O points, in order, of a job of this kind without any other fault."""
        injection = Injection({LAST_STAGE: Fault.EVERY_ATTEMPT} if job.is_rolled_back else {}, self._deliver)
        project_id = f"points-of-{job.name}".replace(" ", "-")
        with self._prepared(project_id, job):
            self._run(project_id, job, injection)
        return sorted({point for point in injection.seen if job.has(point)}, key=lambda point: point.place)

    def run(self, cell: Cell, number: int) -> Verdict:
        """Run the cell and look at the world, after every attempt that slept has resumed and ended."""
        try:
            return self._judge(cell, number)
        except NotPreparedError as error:
            return Verdict(cell, NOT_RUN, struck=False, problems=[str(error)])

    def _judge(self, cell: Cell, number: int) -> Verdict:
        faults = {cell.point.place: cell.fault}
        if cell.job.is_rolled_back:
            faults[LAST_STAGE] = Fault.EVERY_ATTEMPT
        if cell.second_point is not None:
            faults[cell.second_point.place] = Fault.CRASH_BEFORE
        injection = Injection(faults, self._deliver)
        project_id = f"cell-{number}"
        problems: list[str] = []
        with self._prepared(project_id, cell.job) as before:
            execution = self._run(project_id, cell.job, injection, problems)
            if cell.fault is Fault.DUPLICATE:
                for function, event in injection.events.items():
                    self._deliver(function, event)
                if not self._boundary.wait_until_quiet(job_id_of(cell.job, f"job-{project_id}"), QUIET_SECONDS):
                    problems.append("an attempt never ended")
            problems += self._problems(cell, project_id, execution, before)
        return Verdict(cell, execution["status"], injection.struck > 0, problems)

    @contextmanager
    def _prepared(self, project_id: str, job: Job) -> Iterator[Before | None]:
        """Yield what a job on a live tenant finds: the tenant, with a connected client and a prepared transaction."""
        # Each concurrent job finds a ready tenant, so that its points are the same in every run.
        self._deliver("RefillPoolsFunction", "{}")
        control_plane.connect().record_project(Project(project_id, ORGANIZATION, "owner", "us-east-1"))
        if job.makes_tenant:
            yield None
            return
        self._prepare(PROVISION_PROJECT.job_type, project_id, f"made-{project_id}")
        before = look(self._stack, project_id)
        if job.finds_closed:
            self._prepare(SUSPEND_PROJECT.job_type, project_id, f"suspended-{project_id}")
            yield Before(before, None)
            return
        with closing(come_in(before)) as client:
            yield Before(before, client)

    def _prepare(self, job_type: JobType, project_id: str, job_id: str) -> None:
        execution = self._start(job_type, project_id, job_id)
        if execution["status"] != "SUCCEEDED":
            raise NotPreparedError(f"{job_type} before it: {execution.get('cause')}")

    def _run(
        self, project_id: str, job: Job, injection: Injection, problems: list[str] | None = None
    ) -> dict[str, Any]:
        name, document, found = f"job-{project_id}", payload(project_id, job.size), list[str]()
        job_id = job_id_of(job, name)
        with self._boundary.watching(job_id, injection.intercept):
            if job.is_asked_for:
                execution = asking.run(self._stack, job, name, document)
            else:
                execution = self._start(job.job_type, project_id, job_id, job.size)
            injection.wake()
            if not self._boundary.wait_until_quiet(job_id, QUIET_SECONDS):
                found.append("an attempt never ended")
        if job.is_asked_for:
            execution, of_request = asking.run_again(self._stack, job, name, document)
            found += of_request
        if problems is not None:
            problems += found
        return execution

    def _start(self, job_type: JobType, project_id: str, job_id: str, size: str = SIZE) -> dict[str, Any]:
        document = payload(project_id, size) if Job(job_type).makes_tenant else {"project_id": project_id}
        return self._stack.run(document, job_id, timeout=120, job_type=job_type)

    def _problems(self, cell: Cell, project_id: str, execution: dict[str, Any], before: Before | None) -> list[str]:
        succeeded, problems = execution["status"] == "SUCCEEDED", []
        if succeeded and cell.job.is_rolled_back:
            problems.append("it succeeded although its last stage fails")
        if not succeeded and cell.fault not in LASTING and not cell.job.is_rolled_back:
            problems.append(f"one fault made the execution fail: {execution.get('error')}: {execution.get('cause')}")
        if before is not None:
            return problems + self._problems_of_live(cell, project_id, execution, before)
        if succeeded:
            return problems + problems_of_provisioned(look(self._stack, project_id), payload(project_id, cell.job.size))
        if cell.fault in LASTING and cell.point.function in cell.job.rollback:
            problems += self._roll_back_again(cell.job, project_id)
        return problems + self._problems_of_rollback(cell, project_id)

    def _problems_of_live(self, cell: Cell, project_id: str, execution: dict[str, Any], before: Before) -> list[str]:
        """Of a live tenant: it is closed or open, as the job was to make it, or as it was before the job."""
        problems, succeeded = [], execution["status"] == "SUCCEEDED"
        if not succeeded and cell.fault in LASTING and cell.point.function in cell.job.rollback:
            problems += self._roll_back_again(cell.job, project_id)
        is_closed = cell.job.leaves_closed(succeeded=succeeded)
        if is_closed and before.client is not None and not is_out(before.client):
            problems.append("the client is still in")
        if before.client is not None:
            # A suspension that did not get that far has left it.
            before.client.close()
            forget_prepared(self._stack, before.world)
        world = look(self._stack, project_id)
        problems += problems_of_job(world, cell.job.declared, f"job-{project_id}", execution["status"])
        has_dump = succeeded and cell.job.declared is EXPORT_PROJECT
        problems += problems_of_exports(self._stack, before.world.tenant["tenant_id"], has_dump=has_dump)
        if is_closed:
            return problems + problems_of_closed(
                self._stack, world, before.world, had_prepared=before.client is not None
            )
        return problems + problems_of_open(world, before.world)

    def _roll_back_again(self, job: Job, project_id: str) -> list[str]:
        """A compensation whose attempts all fail may leave something, which the job names, or be recorded nowhere."""
        if job.makes_tenant and not problems_of_rolled_back(look(self._stack, project_id)):
            return []
        place = StepFunctions(self._stack.client("stepfunctions"), self._stack.state_machine_arn)
        again = roll_back(job.job_type, f"job-{project_id}", place)
        outcome = wait_for_outcome(place.client, again.execution_arn)
        return [] if outcome.clean else [f"rolled back again: {outcome.text}"]

    def _problems_of_rollback(self, cell: Cell, project_id: str) -> list[str]:
        if cell.fault not in SLOW:
            return problems_after_last_look(self._stack, project_id)
        # An attempt that resumed after the rollback may have made something: the last look removes it, and is repeated.
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
