"""The table of statuses, as it is specified, and what it says of every job type after every other."""

from itertools import product
from typing import NamedTuple

from provisioning.errors import JobInProgress, ProjectNotEligible, ProvisioningError, SuspendInProgress


class Row(NamedTuple):
    """What the specification says of a job type. No status after a failure: the one that the project had."""

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
"""Of what is running, by its status, and what is asked for: what is made to wait instead of refused."""

STATUSES_WITHOUT_TENANT = {"created", "failed"}

OPENED = [(job_type, status) for job_type, row in SPECIFIED.items() for status in row.opens_in]
"""Every way in which a job can have been opened."""

PAIRS = [(first, status, second) for (first, status), second in product(OPENED, SPECIFIED)]
"""Every job type, in every status that it opens in, before every job type."""


def status_after(first: str, opened_in: str, stand: str) -> str:
    """The status of a project whose job of a type, opened in a status, stands like this."""
    row = SPECIFIED[first]
    after = {"succeeded": row.on_success, "rolled_back": row.on_failure or opened_in}
    return after.get(stand, row.while_running)


def refusal(first: str, opened_in: str, stand: str, second: str) -> type[ProvisioningError] | None:
    """What a job of the second type is refused with while one of the first stands like this; None: it is admitted."""
    status = status_after(first, opened_in, stand)
    if stand == "running":
        return WAITS.get((status, second), JobInProgress)
    if stand == "rollback_incomplete" or status not in SPECIFIED[second].opens_in:
        return ProjectNotEligible
    return None
