"""The database sessions that a test double of a service has for its tenants' clients."""

from collections import defaultdict
from typing import Any

import psycopg2
from psycopg2.extensions import connection as Connection  # noqa: N812


class NotServed(Exception):
    """The service refuses the tenant's clients."""


class ClientSessions:
    """Sessions in tenant databases, each opened for a client with the credentials that the service was given."""

    def __init__(self) -> None:
        self._open: dict[str, list[Connection]] = defaultdict(list)

    def open(self, tenant_id: str, connect: dict[str, Any]) -> None:
        """Open a session. Raise psycopg2.OperationalError if the database does not let the service in."""
        self._open[tenant_id].append(psycopg2.connect(**connect))

    def end(self, tenant_id: str) -> None:
        """End the tenant's sessions."""
        for session in self._open.pop(tenant_id, []):
            session.close()

    def end_all(self) -> None:
        for tenant_id in list(self._open):
            self.end(tenant_id)

    def of(self, tenant_id: str) -> int:
        """Return how many sessions the tenant has."""
        return len(self._open.get(tenant_id, []))
