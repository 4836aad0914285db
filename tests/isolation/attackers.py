"""Attackers that send lines of attack_lists.py with the credentials of a job, and a tenant that works meanwhile."""

import re
import threading
import time
from contextlib import closing, suppress
from types import TracebackType
from typing import Self

import psycopg2
from psycopg2 import sql
from psycopg2.extensions import connection as Connection  # noqa: N812
from psycopg2.extensions import parse_dsn

from local.bootstrap import ADMIN, CONTROL_PLANE, CONTROL_PLANE_OWNER
from local.postgres import SUPERUSER
from local.stack import Stack
from provisioning.cluster.session import REGISTER
from provisioning.identity import TenantNames
from tests.executions.running import execute
from tests.isolation.attack_lists import Attack
from tests.isolation.conftest import Tenant, query

Names = dict[str, str | int]

LONGEST_ROUND_SECONDS = 10.0
"""An attacker's transaction stays open until a round that began after it has ended. So a round that an attack holds up
never ends, and this only has to be longer than a round, of some 20 ms, takes on a busy machine.
"""
LOCK_TIMEOUT = "SET lock_timeout = '1s'"
"""PostgreSQL's deadlock_timeout: nobody else's lock may cost the work as much as the look for a deadlock."""

WORK = (
    "INSERT INTO tenant.work DEFAULT VALUES",
    "BEGIN; CREATE TABLE tenant.passing (); GRANT SELECT ON tenant.passing TO anon; COMMIT",
    "DROP TABLE tenant.passing",
    "SELECT pg_advisory_lock(1), pg_advisory_unlock(1)",
    "NOTIFY work",
)
REFUSED_CONNECTIONS = {
    "permission denied for database": "42501",
    "permission denied to set": "42501",
    "permission denied to start WAL sender": "42501",
    "must be superuser or replication role": "42501",
    "password authentication failed": "28P01",
    "not permitted to log in": "28000",
    "no pg_hba.conf entry": "28000",
    "not currently accepting connections": "55000",
    "too many connections for": "53300",
}
"""What libpq says when no session is opened: it does not pass on the SQLSTATE."""

BETWEEN_STATEMENTS = re.compile(r"; (?=(?:[^']*'[^']*')*[^']*$)")
"""Not within a literal."""


def names_of(who: str, tenant: TenantNames) -> Names:
    """Return how a line names a tenant's database and roles."""
    return {who: tenant.database, f"{who}_login": tenant.login_role, f"{who}_owner": tenant.owner_role}


def names_of_the_platform(stack: Stack) -> Names:
    """Return how a line names the platform's roles and databases. Before PostgreSQL 16 the admin makes the roles."""
    creators = execute(stack, "SELECT min(rolname) FROM pg_roles WHERE starts_with(rolname, 'provisioner_creator_')")
    return {
        "admin": ADMIN,
        "superuser": SUPERUSER,
        "control_plane": CONTROL_PLANE,
        "control_plane_owner": CONTROL_PLANE_OWNER,
        "register": REGISTER,
        "creator": creators[0][0] or ADMIN,
    }


def version_of(stack: Stack) -> int:
    """Return the server's major version."""
    ((number,),) = execute(stack, "SELECT current_setting('server_version_num')::integer / 10000")
    return int(number)


class Attacker:
    """A tenant that sends the lines of attack_lists.py, over one session as long as it lives."""

    def __init__(self, tenant: Tenant, names: Names) -> None:
        self.tenant = tenant
        self._names = {**names, **names_of("own", tenant.names)}
        self._session: Connection | None = None

    def send(self, attack: Attack) -> str:
        """Send a line and return the answer. What was begun stays open until the next line."""
        try:
            if attack.text.startswith("\\connect"):
                return self._connect(attack.text.removeprefix("\\connect"))
            session = self._fresh()
            is_open = "open" in attack.expected
            rows = [query(session, one) for one in ["BEGIN"] * is_open + self._statements(attack)][-1]
        except psycopg2.Error as error:
            return str(error.pgcode or _sqlstate(error))
        if is_open:
            return "open"
        return "no row" if not rows and "no row" in attack.expected else "harmless"

    def is_in_a_transaction(self) -> bool:
        """Return whether the session still has what the latest line has begun."""
        assert self._session is not None
        return query(self._session, "SELECT now() < statement_timestamp()") == [(True,)]

    def close(self) -> None:
        """End the session, and with it what is open."""
        if self._session is not None:
            self._session.close()

    def _fresh(self) -> Connection:
        if self._session is not None:
            with suppress(psycopg2.Error):
                # Each on its own: several in one message are a transaction.
                query(self._session, "ROLLBACK")
                query(self._session, "DISCARD ALL")
                return self._session
        self._session = self.tenant.connect()
        return self._session

    def _connect(self, options: str) -> str:
        changes = parse_dsn(options.format(**self._names))
        secret = self.tenant.secret
        issued = {"host": secret["host"], "port": secret["port"], "dbname": secret["dbname"]}
        issued |= {"user": secret["username"], "password": secret["password"], "connect_timeout": 5}
        with closing(psycopg2.connect(**issued | changes)):
            return "harmless"

    def _statements(self, attack: Attack) -> list[str | sql.Composable]:
        values = self._values()
        return [sql.SQL(one).format(**values) for one in BETWEEN_STATEMENTS.split(attack.text)]

    def _values(self) -> dict[str, sql.Composable]:
        identifiers = {name: sql.Identifier(value) for name, value in self._names.items() if isinstance(value, str)}
        literals = {f"{name}_name": sql.Literal(value) for name, value in self._names.items() if isinstance(value, str)}
        numbers = {name: sql.Literal(value) for name, value in self._names.items() if isinstance(value, int)}
        return {**identifiers, **literals, **numbers}


class Work:
    """A tenant's application: over a session that it keeps and over a new one for each round, it adds a row, counts its
    rows, makes and drops a table, and notifies.

    It ends at the first error.
    """

    def __init__(self, tenant: Tenant) -> None:
        self._tenant = tenant
        self._kept = tenant.connect()
        query(self._kept, LOCK_TIMEOUT)
        query(self._kept, "CREATE TABLE tenant.work (round bigint GENERATED ALWAYS AS IDENTITY)")
        self.pid = self._kept.info.backend_pid
        self.rounds: list[float] = []
        """The seconds that each took."""
        self._failure: Exception | None = None
        self._changed = threading.Condition()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def must_go_on(self) -> None:
        """Return when a round that began after the call has ended. Raise what the work failed with."""
        with self._changed:
            # The round in progress may have begun before.
            wanted = len(self.rounds) + 2
            self._changed.wait_for(lambda: self._failure or len(self.rounds) >= wanted, 2 * LONGEST_ROUND_SECONDS)
            if self._failure:
                raise self._failure
            assert len(self.rounds) >= wanted, "the work is held up"

    def _run(self) -> None:
        try:
            while not self._ended.is_set():
                began = time.monotonic()
                self._round(len(self.rounds) + 1)
                with self._changed:
                    self.rounds.append(time.monotonic() - began)
                    self._changed.notify_all()
        except Exception as failure:  # noqa: BLE001 (raised by whoever waits)
            with self._changed:
                self._failure = failure
                self._changed.notify_all()

    def _round(self, number: int) -> None:
        for statement in WORK:
            query(self._kept, statement)
        with closing(self._tenant.connect()) as session:
            query(session, LOCK_TIMEOUT)
            assert query(session, "SELECT count(*) FROM tenant.work") == [(number,)]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()
        self._kept.close()


def _sqlstate(error: psycopg2.Error) -> str:
    said = [code for words, code in REFUSED_CONNECTIONS.items() if re.search(words, str(error))]
    assert said, error
    return said[-1]
