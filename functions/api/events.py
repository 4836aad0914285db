"""Events: read what has happened, in order."""

from datetime import datetime
from typing import Annotated

from aws_lambda_powertools.event_handler.openapi.params import Query
from pydantic import BaseModel, Field

from api.pages import USUAL_PAGE, Limit
from provisioning import control_plane, events

LARGEST_ID = 2**53 - 1
"""What every reader of JSON keeps exactly: https://www.rfc-editor.org/rfc/rfc8259#section-6."""

After = Annotated[int, Query(ge=0, le=LARGEST_ID, description="The id of the last event that was read.")]


class Event(BaseModel):
    """What has happened to a project, a job or a tenant: docs/events.md."""

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


class EventPage(BaseModel):
    """Events, the oldest first."""

    events: list[Event]
    after: int = Field(description="Asks for what happens next: the id of the last event read so far.")


def list_events(after: After = 0, limit: Limit = USUAL_PAGE) -> EventPage:
    """List the events since one, the oldest first. None is missed by whoever continues with `after`."""
    found = events.events_after(control_plane.connect(), after, limit)
    listed = [Event(**one._asdict()) for one in found]
    return EventPage(events=listed, after=listed[-1].id if listed else after)
