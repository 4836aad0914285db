"""What the outbox costs jobs: many sessions that open and end jobs at once, with the triggers of events and without.

`python -m bench.outbox --sessions 32` prints a table. An event takes a lock that is kept until its commit is on the
disk, so that ids become visible in order (migrations/0006_events.sql): only endings write one.
"""

import argparse
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path
from typing import NamedTuple

from psycopg2 import sql
from psycopg2.extensions import connection as Connection  # noqa: N812

from local.postgres import PostgresServer
from upkeep.migrate import MIGRATIONS

DATABASE = "outbox"
TRIGGERS = ("events_of_new_jobs", "events_of_jobs")
OPEN = "INSERT INTO control_plane.jobs (job_id, job_type, status) VALUES (%s, 'provision_project', 'running')"
END = "UPDATE control_plane.jobs SET status = 'succeeded' WHERE job_id = %s"


class Measured(NamedTuple):
    """One kind of change, by all sessions at once: milliseconds of each, and how many were made in a second."""

    change: str
    triggers: bool
    p50: float
    p95: float
    per_second: float


class _Round(NamedTuple):
    milliseconds: list[float]
    seconds: float


def measure(directory: Path, *, sessions: int, jobs: int, rounds: int, fsync: bool) -> list[Measured]:
    """Return what was measured on a new server in the directory, rounds with and without triggers by turns."""
    found: dict[tuple[str, bool], list[_Round]] = {}
    with PostgresServer(directory / "database", fsync=fsync) as server, ExitStack() as opened:
        _prepare(server)
        connections = [opened.enter_context(closing(server.connect(DATABASE))) for _ in range(sessions)]
        for number in range(rounds):
            for triggers in (True, False):
                _enable(server, triggers)
                names = [[f"{number}-{triggers}-{one}-{job}" for job in range(jobs)] for one in range(sessions)]
                for change, statement in (("open", OPEN), ("end", END)):
                    found.setdefault((change, triggers), []).append(_run(connections, statement, names))
    return list(_summarized(found))


def _prepare(server: PostgresServer) -> None:
    with closing(server.connect()) as superuser, superuser.cursor() as cursor:
        cursor.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE)))
    with closing(server.connect(DATABASE)) as superuser, superuser.cursor() as cursor:
        for file in sorted(MIGRATIONS.glob("*.sql")):
            cursor.execute(file.read_text())


def _enable(server: PostgresServer, triggers: bool) -> None:
    statement = sql.SQL("ALTER TABLE control_plane.jobs {} TRIGGER {}")
    action = sql.SQL("ENABLE" if triggers else "DISABLE")
    with closing(server.connect(DATABASE)) as superuser, superuser.cursor() as cursor:
        for name in TRIGGERS:
            cursor.execute(statement.format(action, sql.Identifier(name)))


def _run(connections: Sequence[Connection], statement: str, names: Sequence[Sequence[str]]) -> _Round:
    together = threading.Barrier(len(connections) + 1)

    def change(connection: Connection, mine: Sequence[str]) -> list[float]:
        took = []
        with connection.cursor() as cursor:
            together.wait()
            for name in mine:
                begun = time.perf_counter()
                cursor.execute(statement, (name,))
                took.append(1000 * (time.perf_counter() - begun))
        return took

    with ThreadPoolExecutor(len(connections)) as pool:
        running = [pool.submit(change, *one) for one in zip(connections, names, strict=True)]
        together.wait()
        begun = time.perf_counter()
        took = [one for each in running for one in each.result()]
        return _Round(took, time.perf_counter() - begun)


def _summarized(found: dict[tuple[str, bool], list[_Round]]) -> Iterator[Measured]:
    for (change, triggers), rounds in found.items():
        took = sorted(one for each in rounds for one in each.milliseconds)
        per_second = statistics.median(len(each.milliseconds) / each.seconds for each in rounds)
        yield Measured(change, triggers, statistics.median(took), took[int(0.95 * (len(took) - 1))], per_second)


def table(measured: Sequence[Measured]) -> str:
    """Return the measurements as Markdown."""
    rows = ["| jobs | events | p50 ms | p95 ms | per second |", "|---|---|---|---|---|"]
    for one in sorted(measured, key=lambda one: (one.change != "open", one.triggers)):
        events = "with" if one.triggers else "without"
        rows.append(f"| {one.change} | {events} | {one.p50:.2f} | {one.p95:.2f} | {one.per_second:,.0f} |")
    return "\n".join(rows)


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, default=32)
    parser.add_argument("--jobs", type=int, default=20, help="of each session in a round")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--no-fsync", action="store_true")
    parser.add_argument("--directory", type=Path, help="where the server's data is written")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=given.directory) as directory:
        sizes = {"sessions": given.sessions, "jobs": given.jobs, "rounds": given.rounds}
        print(table(measure(Path(directory), **sizes, fsync=not given.no_fsync)))


if __name__ == "__main__":
    main()
