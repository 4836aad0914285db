"""The specified table of statuses, and its result for every job type after every other."""

from itertools import product
from typing import NamedTuple

from provisioning.errors import JobInProgress, ProjectNotEligible, ProvisioningError, SuspendInProgress


class Row(NamedTuple):
    """The specification of a job type. No status after a failure means the one that the project had."""

    opens_in: tuple[str, ...]
    while_running: str
    on_success: str
    on_failure: str | None


SPECIFIED = {
    "provision_project": Row(("created", "failed"), "provisioning", "active", "failed"),
    "suspend_project": Row(("active",), "suspending", "suspended", "active"),
    "resume_project": Row(("suspended", "leaving"), "resuming", "active", None),
}
WAITS = {("suspending", "resume_project"): SuspendInProgress}
"""By running status and requested job type: what waits instead of being refused."""

STATUSES_WITHOUT_TENANT = {"created", "failed"}

OPENED = [(job_type, status) for job_type, row in SPECIFIED.items() for status in row.opens_in]
"""Every way in which a job can have been opened."""

PAIRS = [(first, status, second) for (first, status), second in product(OPENED, SPECIFIED)]
"""Every job type, in every status that it opens in, before every job type."""


def status_after(first: str, opened_in: str, stand: str) -> str:
    """Return the status of a project whose job of that type, opened in that status, is in this state."""
    row = SPECIFIED[first]
    after = {"succeeded": row.on_success, "rolled_back": row.on_failure or opened_in}
    return after.get(stand, row.while_running)


def refusal(first: str, opened_in: str, stand: str, second: str) -> type[ProvisioningError] | None:
    """Return the error for a job of the second type while one of the first is in this state; None if it is admitted."""
    status = status_after(first, opened_in, stand)
    if stand == "running":
        return WAITS.get((status, second), JobInProgress)
    if stand == "rollback_incomplete" or status not in SPECIFIED[second].opens_in:
        return ProjectNotEligible
    return None
