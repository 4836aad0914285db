"""The kinds of job that the matrix runs: each job type to its success and to its rollback."""

import functools
from typing import NamedTuple

from provisioning.jobs.declaration import Declaration, JobType, ProjectStatus, TenantOf
from provisioning.jobs.registry import DECLARATIONS
from tests import shipped
from tests.faults.boundary import Point

MAKING = ("CreateDatabaseFunction", "CreateSchemaFunction")
STARTING = ("AnswerRequestFunction", "VerifyProjectFunction")
"""What has to do with the request of a job that is asked for."""
SIZE, SIZE_WITHOUT_POOL = "db.t3.micro", "db.t3.small"


class Job(NamedTuple):
    """What kind of job a cell is, which decides the I/O points that it meets."""

    job_type: JobType
    is_rolled_back: bool = False
    """Whether its last stage fails in every attempt, so that the compensations run."""
    size: str = SIZE
    """The size that its payload asks for: that of the cluster with a pool, or of the one without."""
    is_asked_for: bool = False
    """Whether a client of the HTTP API starts it, so that there is a request before there is an execution."""

    @property
    def name(self) -> str:
        """How it is called in a report."""
        if self.size == SIZE_WITHOUT_POOL:
            return f"{self.job_type} from nothing"
        if self.is_asked_for:
            return f"{self.job_type} asked for"
        return f"{self.job_type} rolled back" if self.is_rolled_back else self.job_type

    @property
    def declared(self) -> Declaration:
        """The job type."""
        return DECLARATIONS[self.job_type]

    @property
    def makes_tenant(self) -> bool:
        """Whether it gets a tenant of its own, and changes none that is live."""
        return self.declared.tenant is TenantOf.NEW

    @property
    def finds_closed(self) -> bool:
        """Whether the project that it opens for is suspended."""
        return ProjectStatus.ACTIVE not in self.declared.opens_in

    def leaves_closed(self, *, succeeded: bool) -> bool:
        """Return whether the tenant is suspended after it: as declared, or as before."""
        return self.declared.on_success is ProjectStatus.SUSPENDED if succeeded else self.finds_closed

    @property
    def rollback(self) -> set[str]:
        """The functions that run when it fails."""
        return functions_of_rollback(self.job_type)

    def has(self, point: Point) -> bool:
        """Return whether the point is this kind's own: where a tenant comes from matters to the stages that make it."""
        if self.size == SIZE_WITHOUT_POOL:
            return point.function in MAKING
        if self.is_asked_for:
            return point.function in STARTING
        return (point.function in self.rollback) == self.is_rolled_back


FROM_NOTHING = [Job(job_type, size=SIZE_WITHOUT_POOL) for job_type in DECLARATIONS if Job(job_type).makes_tenant]
ASKED_FOR = [Job(job_type, is_asked_for=True) for job_type in DECLARATIONS if Job(job_type).makes_tenant]
"""Requests are the same for all types."""
JOBS = [
    *(Job(job_type, rolled_back) for job_type in DECLARATIONS for rolled_back in (False, True)),
    *FROM_NOTHING,
    *ASKED_FOR,
]


@functools.cache
def functions_of_rollback(job_type: JobType) -> set[str]:
    """Return the functions of a type's compensations, and the one that records the failure."""
    invoked = {name: task["Parameters"]["FunctionName"] for name, task in shipped.tasks(job_type).items()}
    names = [*DECLARATIONS[job_type].compensations, "Record failure"]
    return {invoked[name].removeprefix("${").removesuffix("Arn}") for name in names}
