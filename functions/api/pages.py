"""Pages of a list: the parameters that ask for one, and the cursor that asks for the next."""

import base64
import binascii
import json
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, TypeVar

from aws_lambda_powertools.event_handler.openapi.params import Query
from pydantic import Field

from api.problems import Broken, Fault
from provisioning.listing import Place

LONGEST_PAGE = 200
USUAL_PAGE = 50

Limit = Annotated[int, Query(ge=1, le=LONGEST_PAGE, description="How many are listed at most.")]
Cursor = Annotated[
    str | None, Query(pattern="^[A-Za-z0-9_-]{1,512}$", description="The next_cursor of the page before.")
]
Next = Annotated[str | None, Field(description="Asks for the next page; null if this page is the last.")]

Row = TypeVar("Row")


def page(rows: Sequence[Row], limit: int) -> tuple[Sequence[Row], bool]:
    """Return the rows of a page, and whether there are others: a list is asked for one row more than its page has."""
    return rows[:limit], len(rows) > limit


def cursor_of(place: Place) -> str:
    """Return the cursor of the page that begins after a row."""
    # A name has up to 80 characters of any script: escaped as ASCII it would be three times as long.
    text = json.dumps([place.created_at.isoformat(), place.name], ensure_ascii=False)
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def place_of(cursor: str | None) -> Place | None:
    """Return the place that a cursor names. Raise Broken if it is none of ours."""
    if cursor is None:
        return None
    try:
        created_at, name = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        place = Place(datetime.fromisoformat(created_at), str(name))
        # What JSON may have, and cannot be sent to PostgreSQL: NUL, and lone surrogates.
        if place.created_at.tzinfo is None or b"\0" in place.name.encode():
            raise ValueError
    except (binascii.Error, ValueError, TypeError, RecursionError):
        raise Broken([Fault(detail="must be the next_cursor of a page", parameter="cursor")]) from None
    return place
