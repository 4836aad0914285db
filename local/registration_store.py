"""What the registration services keep, in one SQLite file."""

import sqlite3
import threading
from datetime import UTC, datetime
from pathlib import Path

from local.errors import Unusable

Registration = dict[str, str]


class RegistrationStore:
    """The services' data, in one SQLite file. Every method is one transaction and safe to call from any thread."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        path.touch(mode=0o600)
        self._database = sqlite3.connect(path, check_same_thread=False)
        try:
            self._prepare()
        except sqlite3.DatabaseError as error:
            self._database.close()
            raise Unusable(f"{path} cannot be used: {error}") from error

    def _prepare(self) -> None:
        # A registration is on disk before the caller gets the answer, with one fsync instead of three.
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.execute("PRAGMA synchronous = FULL")
        self._database.executescript(
            """
            CREATE TABLE IF NOT EXISTS tenants (
                service text, tenant_id text, project_id text NOT NULL, idempotency_key text NOT NULL,
                endpoint text NOT NULL, registered_at text NOT NULL,
                PRIMARY KEY (service, tenant_id)
            );
            CREATE TABLE IF NOT EXISTS closed_keys (
                service text, tenant_id text, idempotency_key text,
                PRIMARY KEY (service, tenant_id, idempotency_key)
            );
            """
        )

    def find(self, service: str, tenant_id: str) -> tuple[Registration, str] | None:
        """Return the tenant's registration and the key it was made under, or None."""
        with self._lock:
            return self._find(service, tenant_id)

    def register(
        self, service: str, tenant_id: str, project_id: str, key: str, base_url: str
    ) -> tuple[int, Registration | str]:
        """Register a tenant; return the HTTP status, and the registration or the reason for a refusal."""
        with self._lock, self._database:
            if self._closed(service, tenant_id, key):
                return 409, "idempotency key closed"
            if found := self._find(service, tenant_id):
                return (200, found[0]) if found[1] == key else (409, "registered under another idempotency key")
            registration = {
                "endpoint": f"{base_url}/tenants/{tenant_id}",
                "registered_at": datetime.now(UTC).isoformat(timespec="milliseconds"),
            }
            self._database.execute(
                "INSERT INTO tenants VALUES (?, ?, ?, ?, ?, ?)",
                (service, tenant_id, project_id, key, *registration.values()),
            )
            return 201, registration

    def deregister(self, service: str, tenant_id: str, key: str) -> int:
        """Remove a registration and close its key permanently; return the HTTP status."""
        with self._lock, self._database:
            found = self._find(service, tenant_id)
            self._database.execute("INSERT OR IGNORE INTO closed_keys VALUES (?, ?, ?)", (service, tenant_id, key))
            if not found:
                return 404
            if found[1] != key:
                return 409
            self._database.execute("DELETE FROM tenants WHERE service = ? AND tenant_id = ?", (service, tenant_id))
            return 204

    def tenants(self, service: str) -> dict[str, Registration]:
        """Return every registration of a service by tenant_id."""
        with self._lock:
            rows = self._database.execute(
                "SELECT tenant_id, endpoint, registered_at FROM tenants WHERE service = ?", (service,)
            )
            return {tenant_id: _registration(*answer) for tenant_id, *answer in rows}

    def page(self, service: str, after: str, size: int) -> list[str]:
        """Return at most that many tenant_ids of a service, in order, beginning after the given one."""
        with self._lock:
            rows = self._database.execute(
                "SELECT tenant_id FROM tenants WHERE service = ? AND tenant_id > ? ORDER BY tenant_id LIMIT ?",
                (service, after, size),
            )
            return [tenant_id for (tenant_id,) in rows]

    def close(self) -> None:
        with self._lock:
            self._database.close()

    def _find(self, service: str, tenant_id: str) -> tuple[Registration, str] | None:
        row = self._database.execute(
            "SELECT endpoint, registered_at, idempotency_key FROM tenants WHERE service = ? AND tenant_id = ?",
            (service, tenant_id),
        ).fetchone()
        return (_registration(*row[:2]), row[2]) if row else None

    def _closed(self, service: str, tenant_id: str, key: str) -> bool:
        row = self._database.execute(
            "SELECT 1 FROM closed_keys WHERE service = ? AND tenant_id = ? AND idempotency_key = ?",
            (service, tenant_id, key),
        ).fetchone()
        return row is not None


def _registration(endpoint: str, registered_at: str) -> Registration:
    return {"endpoint": endpoint, "registered_at": registered_at}
