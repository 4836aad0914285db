"""The exports in the control plane."""

from typing import Any, NamedTuple

from provisioning import queries
from provisioning.control_plane import ControlPlane
from provisioning.identity import Tenant, tenant_from

QUERIES = queries.load(__file__)
LAST_LOOK_SECONDS = 1000
"""How long after an attempt has begun nothing of it can appear any more. A function that exports has 900 seconds."""


class Due(NamedTuple):
    """A job whose export is to be looked at, and the keys of the objects that it is to have."""

    job_id: str
    tenant: Tenant
    keys: list[str]


class _Row(NamedTuple):
    job_id: str
    tenant: dict[str, Any]
    keys: list[str]


def record_undone(control: ControlPlane, job_id: str) -> None:
    """Record that the job has no dump, and when to look for what a late attempt has made."""
    control.execute(QUERIES["record_undone"], job_id=job_id, last_look=LAST_LOOK_SECONDS)


def tenant_of(control: ControlPlane, job_id: str) -> Tenant | None:
    """Return the tenant that a job exports, if that is on record."""
    row = control.fetch_one(_Row, QUERIES["find_export"], job_id=job_id)
    return tenant_from(row.tenant) if row is not None else None


def find_due(control: ControlPlane, limit: int) -> list[Due]:
    """Return the exports whose look is due, the longest due first."""
    rows = control.fetch_all(_Row, QUERIES["find_due_exports"], limit=limit)
    return [Due(row.job_id, tenant_from(row.tenant), row.keys) for row in rows]


def record_looked(control: ControlPlane, job_id: str, *, found: bool) -> None:
    """Record a look. One that found something is repeated."""
    control.execute(QUERIES["record_looked"], job_id=job_id, found=found, last_look=LAST_LOOK_SECONDS)
