"""What a service may say that is recorded: every adapter checks it here, before it can reach PostgreSQL or a result.

The value is never repeated in an error. What is accepted is part of docs/registration-service.openapi.yaml.
"""

import re
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta

from provisioning.errors import ServiceRegistrationFailed
from provisioning.identity import LENGTH
from provisioning.stage import Service

LONGEST_TEXT = 512
MINUTE = r"(?:[01]\d|2[0-3]):[0-5]\d"
DATE_TIME = re.compile(rf"(\d{{4}}-\d\d-\d\d)[Tt]({MINUTE}):([0-5]\d|60)(\.\d+)?([Zz]|[+-]{MINUTE})", re.ASCII)
"""The production date-time of RFC 3339, section 5.6."""
TENANT_ID = re.compile(rf"[a-z]{{{LENGTH}}}")


def text(service: Service, answer: Mapping[str, object], field: str) -> str:
    """Return a text of the answer. Raise ServiceRegistrationFailed unless it is 1 to 512 printable characters."""
    value = answer.get(field)
    if not isinstance(value, str) or not value or not value.isprintable() or len(value) > LONGEST_TEXT:
        raise _unusable(service, field, f"1 to {LONGEST_TEXT} printable characters")
    return value


def instant(service: Service, answer: Mapping[str, object], field: str) -> datetime:
    """Return an instant of the answer, in UTC, whose years 1 to 9999 PostgreSQL knows too.

    A leap second is the next second. Raise ServiceRegistrationFailed for anything else than an RFC 3339 date-time.
    """
    value = answer.get(field)
    found = DATE_TIME.fullmatch(value) if isinstance(value, str) and len(value) <= LONGEST_TEXT else None
    if found is not None:
        date, minute, second, fraction, offset = found.groups(default="")
        is_leap = second == "60"
        with suppress(ValueError, OverflowError):
            local = f"{date}T{minute}:{'59' if is_leap else second}{fraction[:7]}{offset.upper()}"
            parsed = datetime.fromisoformat(local).astimezone(UTC) + timedelta(seconds=is_leap)
            # A leap second is the last of a month in UTC.
            if not is_leap or (parsed.day, parsed.hour, parsed.minute, parsed.second) == (1, 0, 0, 0):
                return parsed
    raise _unusable(service, field, "a date and time with its offset, as RFC 3339 has them")


def tenant_ids(service: Service, listed: object, field: str = "") -> set[str]:
    """Return the ids in a list that have the form of ours: texts or, with a field, objects that have it.

    A service may serve others too, whose tenants have ids of any form. Raise ServiceRegistrationFailed for anything
    else than such a list.
    """
    ids = set()
    for item in listed if isinstance(listed, list) else [None]:
        found = item.get(field) if field and isinstance(item, dict) else None if field else item
        if not isinstance(found, str):
            raise _unusable(service, "list of tenants", "a list of their ids")
        if TENANT_ID.fullmatch(found):
            ids.add(found)
    return ids


def _unusable(service: Service, field: str, rule: str) -> ServiceRegistrationFailed:
    return ServiceRegistrationFailed(f"{service} answered no usable {field}: it must be {rule}")
