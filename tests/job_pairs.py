"""The specified table of statuses, and its result for every job type after every other."""

from itertools import product
from typing import NamedTuple

from provisioning.errors import JobInProgress, ProjectNotEligible, ProvisioningError, SuspendInProgress


class Row(NamedTuple):
    """The specification of a job type. No status means the one that the project had."""

    opens_in: tuple[str, ...]
    while_running: str | None
    on_success: str | None
    on_failure: str | None


SPECIFIED = {
    "provision_project": Row(("created", "failed"), "provisioning", "active", "failed"),
    "suspend_project": Row(("active",), "suspending", "suspended", "active"),
    "resume_project": Row(("suspended", "leaving"), "resuming", "active", None),
    "export_project": Row(("active", "suspended"), None, None, None),
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
    after = {"succeeded": row.on_success, "rolled_back": row.on_failure}
    return after.get(stand, row.while_running) or opened_in


def refusal(first: str, opened_in: str, stand: str, second: str) -> type[ProvisioningError] | None:
    """Return the error for a job of the second type while one of the first is in this state; None if it is admitted."""
    status = status_after(first, opened_in, stand)
    if stand == "running":
        return WAITS.get((status, second), JobInProgress)
    is_kept = stand == "rollback_incomplete" and SPECIFIED[first].while_running is not None
    if is_kept or status not in SPECIFIED[second].opens_in:
        return ProjectNotEligible
    return None
