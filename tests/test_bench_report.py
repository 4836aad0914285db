"""make bench's tables are computed from what was measured, and what the jobs had of the processor is counted whole."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812

from bench import goals, processor, report
from bench.boundaries import BOUNDARIES, PYTHON
from bench.comparison import FLOOR, handlers
from bench.environment import MODES, POOL
from bench.processor import ELSEWHERE, IDLE, JOBS, STOLEN, Watch
from local.stack import Stack

COUNT_SLOWLY = "SELECT count(*) FROM generate_series(1, 3000000)"
COUNTED_SECONDS = 0.05
"""Less than that is no proof that the processor was seen at work; the statement takes several times as much."""


def figures(p50: float) -> dict[str, float]:
    """Measured once."""
    return {"p50": p50, "p95": p50, "n": 1}


def rows(markdown: str) -> dict[str, list[str]]:
    """The cells of each line of the tables, by their first one."""
    lines = [line.strip("| ").split(" | ") for line in markdown.splitlines() if line.startswith("| ")]
    return {line[0]: [cell.strip() for cell in line[1:]] for line in lines}


def burst(seconds: dict[str, float], jobs: int, per_second: float) -> dict[str, Any]:
    """Some jobs at once, as the results have them."""
    return {"processor_seconds": seconds, "ms": figures(1.0) | {"n": jobs}, "per_second": per_second}


def test_a_jobs_processor_time_stands_beside_its_throughput_where_it_was_counted() -> None:
    spent = {JOBS: 0.6, ELSEWHERE: 0.2, STOLEN: 0.0, IDLE: 1.2}
    part = {"concurrency": {POOL: {"1": burst(spent, 10, 9.0), "2": burst({}, 10, 16.0)}}}
    assert report.concurrency_table(part).splitlines()[2:] == [
        "| from the pool | 1 | 9.0 | 1.0 | 1.0 | 10 | 60.0 |",
        "| from the pool | 2 | 16.0 | 1.0 | 1.0 | 10 | - |",
    ]


def test_every_second_of_the_machine_is_in_one_group(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    tick = os.sysconf("SC_CLK_TCK")
    (tmp_path / "stat").write_text(f"cpu {' '.join(str(seconds * tick) for seconds in (50, 1, 20, 40, 2, 3, 4, 5))}\n")
    # Parent, user, system, and what children that have ended had. The last one is another's.
    processes: dict[int, tuple[int, ...]] = {
        os.getpid(): (1, 1, 2, 3, 4),
        100_001: (os.getpid(), 5, 0, 0, 0),
        100_002: (1, 1, 0, 10, 0),
        100_003: (100_002, 6, 0, 0, 0),
        100_004: (1, 9, 9, 0, 0),
    }
    for pid, (parent, *seconds) in processes.items():
        (tmp_path / str(pid)).mkdir()
        ticks = " ".join(str(one * tick) for one in seconds)
        (tmp_path / str(pid) / "stat").write_text(f"{pid} (a) (name) S {parent} {'0 ' * 9}{ticks} 0")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "postmaster.pid").write_text("100002\n")
    monkeypatch.setattr(processor, "PROC", tmp_path)
    assert Watch(tmp_path).seconds() == {JOBS: 32.0, ELSEWHERE: 46.0, STOLEN: 5.0, IDLE: 42.0}


def test_nothing_is_counted_where_there_is_no_proc(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(processor, "PROC", tmp_path)
    assert Watch(tmp_path).seconds() == {}


@pytest.mark.skipif(not (processor.PROC / "stat").exists(), reason="only Linux counts it in /proc")
def test_a_backend_is_counted_while_it_lives_and_when_it_came_and_went(stack: Stack) -> None:
    watch = Watch(stack.postgres.directory)
    lasting, passing = stack.postgres.connect(), stack.postgres.connect()
    process = processor.PROC / str(passing.info.backend_pid)

    def come_and_go() -> None:
        count(passing)
        passing.close()
        # Its seconds are the postmaster's once that has taken note of its end.
        while process.exists():
            pass

    assert backends_had(watch, lambda: count(lasting)) > COUNTED_SECONDS
    assert backends_had(watch, come_and_go) > COUNTED_SECONDS
    lasting.close()


def backends_had(watch: Watch, work: Callable[[], None]) -> float:
    """The seconds that all had during the work, but for this process."""
    before, own = watch.seconds(), time.process_time()
    work()
    return watch.seconds()[JOBS] - before[JOBS] - (time.process_time() - own)


def count(connection: Connection) -> None:
    """Keeps a backend busy."""
    with connection.cursor() as cursor:
        cursor.execute(COUNT_SLOWLY)


def split(total: float) -> dict[str, dict[str, float]]:
    """A stage that was in PostgreSQL, but for a millisecond."""
    spent = {"total": figures(total), "PostgreSQL": figures(total - 1), PYTHON: figures(1.0)}
    return {column: spent.get(column, figures(0.0)) for column in ("total", *BOUNDARIES, PYTHON)}


def test_growth_is_told_by_stage_beside_none_and_beside_the_most_tenants() -> None:
    def beside(slow: float) -> dict[str, Any]:
        stages = {"Verify project": split(2.0), "Finalize": split(slow)}
        ms = {handlers(mode): figures(2.0 + slow) for mode in MODES} | {FLOOR: figures(10.0)}
        return {"ms": ms, "stages": dict.fromkeys(MODES, stages)}

    growth: dict[str, Any] = {"tenants": 3000, "megabytes_per_tenant": 8.0}
    growth |= {"empty": beside(10.0), "filled": beside(42.5)}
    assert rows(report.growth_table(growth))[handlers(POOL)] == ["12.0", "12.0", "1", "44.5", "44.5", "1", "3.71"]
    by_stage = rows(report.growth_stages(growth))
    assert by_stage["Finalize"] == ["10.0", "42.5", "10.0", "42.5"]
    assert by_stage["sum"][:2] == ["12.0", "44.5"]
    assert report.growth_sentence(growth).startswith("Beside 3,000 tenants, of 8.0 MB of disk each")


def test_the_bound_of_two_at_once_is_met_by_as_many_jobs_as_two_cores_can_make() -> None:
    spent = {JOBS: 0.4, "a group of older results": 0.2, IDLE: 0.5}
    assert goals.of_the_bound(burst(spent, 10, 30.0)) == pytest.approx(0.9)
    assert goals.of_the_bound(burst({}, 10, 30.0)) is None
