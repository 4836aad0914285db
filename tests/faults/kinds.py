"""The kinds of job that the matrix runs: each job type, to its success and to its rollback."""

import functools
from enum import StrEnum

from provisioning.jobs.declaration import Declaration, JobType
from provisioning.jobs.provision_project import PROVISION_PROJECT
from provisioning.jobs.registry import DECLARATIONS
from provisioning.jobs.resume_project import RESUME_PROJECT
from provisioning.jobs.suspend_project import SUSPEND_PROJECT
from tests import shipped
from tests.faults.boundary import Point

MAKING = ("CreateDatabaseFunction", "CreateSchemaFunction")
SIZE, SIZE_WITHOUT_POOL = "db.t3.micro", "db.t3.small"


class Job(StrEnum):
    """The kind of job of a cell, which determines its I/O points."""

    FROM_POOL = "provision from the pool"
    FROM_NOTHING = "provision from nothing"
    ROLLED_BACK = "roll back"
    """The last stage fails in every attempt, so that the compensations run. Likewise for the others named so."""
    SUSPEND = "suspend"
    SUSPENSION_ROLLED_BACK = "roll back a suspension"
    RESUME = "resume"
    RESUMPTION_ROLLED_BACK = "roll back a resumption"

    @property
    def declared(self) -> Declaration:
        """The job type."""
        if self in (Job.SUSPEND, Job.SUSPENSION_ROLLED_BACK):
            return SUSPEND_PROJECT
        return RESUME_PROJECT if self in (Job.RESUME, Job.RESUMPTION_ROLLED_BACK) else PROVISION_PROJECT

    @property
    def is_rolled_back(self) -> bool:
        """Whether its last stage fails in every attempt."""
        return self in (Job.ROLLED_BACK, Job.SUSPENSION_ROLLED_BACK, Job.RESUMPTION_ROLLED_BACK)

    @property
    def size(self) -> str:
        """The size in its payload: that of the cluster with a pool, or of the one without."""
        return SIZE_WITHOUT_POOL if self is Job.FROM_NOTHING else SIZE

    @property
    def rollback(self) -> set[str]:
        """The functions that run when it fails."""
        return functions_of_rollback(self.declared.job_type)

    def has(self, point: Point) -> bool:
        """Return whether the point is this kind's own: where a tenant comes from matters to the stages that make it."""
        if self is Job.FROM_NOTHING:
            return point.function in MAKING
        return (point.function in self.rollback) == self.is_rolled_back


@functools.cache
def functions_of_rollback(job_type: JobType) -> set[str]:
    """Return the functions of a type's compensations, and the one that records the failure."""
    invoked = {name: task["Parameters"]["FunctionName"] for name, task in shipped.tasks(job_type).items()}
    names = [*DECLARATIONS[job_type].compensations, "Record failure"]
    return {invoked[name].removeprefix("${").removesuffix("Arn}") for name in names}
