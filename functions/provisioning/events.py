"""What has happened to projects, jobs and tenants, in order: written in the transaction of each change.

docs/events.md has the schema for readers.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from provisioning import queries
from provisioning.control_plane import ControlPlane
from provisioning.jobs.registry import DECLARATIONS

QUERIES = queries.load(__file__)
DAYS = 30
"""How long an event can be read."""

TYPES: Mapping[str, str] = {
    "job.succeeded": "a job of a type without an event of its own has succeeded",
    **{
        declared.event: f"a job of type {declared.job_type} has succeeded"
        for declared in DECLARATIONS.values()
        if declared.event != "job.succeeded"
    },
    "project.failed": "a project has no tenant, because the job that would have given it one was rolled back",
    "job.failed": "a job was refused, or failed before it was opened",
    "job.rolled_back": "a job failed, and everything that it had made is gone",
    "job.rollback_incomplete": "a job failed, and something that it had made is left",
    "job.stopped": "a job's execution was stopped, ran out of time or died, and nothing more was rolled back",
    "tenant.gone": "a last look has found nothing of a tenant that a project had, or would have had",
}
"""Every type of event, and what has happened. A job's ending is `job.` and its status, or the event of its success."""


class RecordedEvent(NamedTuple):
    """An event. An id is larger than those of all events that could be read before."""

    id: int
    event_id: str
    type: str
    recorded_at: datetime
    project_id: str | None
    organization_id: str | None
    job_id: str | None
    job_type: str | None
    tenant_id: str | None
    error_type: str | None

    def as_document(self) -> dict[str, Any]:
        """Return the event as docs/events.md describes it."""
        return self._asdict() | {"recorded_at": self.recorded_at.isoformat()}


def events_after(control: ControlPlane, after: int, limit: int) -> list[RecordedEvent]:
    """Return the events whose id is larger, at most so many, in the order of their ids.

    Whoever continues with the last id that it got misses no event, unless it is older than 30 days: a transaction that
    commits later has larger ids (migrations/0006_events.sql). Raise ControlPlaneUnavailable.
    """
    return control.fetch_all(RecordedEvent, QUERIES["find_events"], after=after, limit=limit)


def forget_old(control: ControlPlane, limit: int) -> None:
    """Forget events older than 30 days, the oldest first. Raise ControlPlaneUnavailable."""
    control.execute(QUERIES["forget_old_events"], days=DAYS, limit=limit)
