"""Pages of a list in an address: the filters that it has, and the place where the next page begins."""

from collections.abc import Mapping
from datetime import datetime
from urllib.parse import urlencode

from starlette.requests import Request

from console.ledger import can_be_stored
from provisioning.listing import Place

PAGE_SIZE = 25
PAGE = "page"
"""The name of the place in an address; a filter that changes begins at the first page again (console.js)."""
LONGEST = 200


def asked(request: Request, name: str) -> str:
    """Return what an address asks for, empty for nothing or for what the ledger cannot hold."""
    value = request.query_params.get(name, "").strip()
    return value if len(value) <= LONGEST and can_be_stored(value) else ""


def place_in(request: Request) -> Place | None:
    """Return the place after which the requested page begins, None for the first one."""
    created_at, _, name = asked(request, PAGE).partition(" ")
    try:
        place = Place(datetime.fromisoformat(created_at), name)
    except ValueError:
        return None
    return place if place.created_at.tzinfo is not None else None


def address(path: str, filters: Mapping[str, str], place: Place | None = None) -> str:
    """Return the address of a page of a list, with the filters that are not empty."""
    query = {name: value for name, value in filters.items() if value}
    if place is not None:
        query[PAGE] = f"{place.created_at.isoformat()} {place.name}"
    return f"{path}?{urlencode(query)}" if query else path
