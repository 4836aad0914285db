"""make bench says why a goal is missed: its profiles are computed from what was measured, and lose nothing of it."""

from typing import Any

import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812

from bench import goals, processor, profiles
from bench.boundaries import BOUNDARIES, PYTHON
from bench.comparison import FLOOR, handlers
from bench.environment import MODES, NOTHING, POOL
from bench.processor import BACKENDS, BACKGROUND, BENCH, ELSEWHERE, ENVIRONMENTS, IDLE, SHORT_LIVED, STACK, STOLEN
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


LEAST: dict[str, Any] = {
    "floor": figures(10.0),
    "each": {"a round trip": figures(0.5), FLOOR: figures(10.0), "what no job does": figures(1.0)},
    "modes": {
        POOL: {"job": figures(40.0), "calls": {"a round trip": 24, FLOOR: 0, "what no job does": 0}, "least": 12.0},
        NOTHING: {"job": figures(60.0), "calls": {"a round trip": 34, FLOOR: 1}, "least": 27.0},
    },
}

RESULTS = {
    "memory": {"least": LEAST},
    "goals": [
        {"figure": f"{handlers(mode)} ÷ {FLOOR}", "where": where, "goal": goal}
        for where, *limits in (("memory", "≤ 1.1", "≤ 2"), ("disk", "≤ 0.3", "≤ 1.2"))
        for mode, goal in zip(MODES, limits, strict=True)
    ],
}


def test_the_least_is_each_call_at_its_bare_cost_times_how_many_a_job_makes() -> None:
    table = rows(profiles.least_table(RESULTS, "memory"))
    assert table["a round trip"] == ["0.50", "0.50", "1", "24", "12.0", "34", "17.0"]
    assert table[FLOOR][3:] == ["0", "0.0", "1", "10.0"]
    assert "what no job does" not in table


def test_the_least_and_a_job_stand_beside_the_floor() -> None:
    table = rows(profiles.least_table(RESULTS, "memory"))
    assert [cell for cell in table["the least: their sum, ÷ floor"] if cell] == ["1.20", "2.70"]
    assert [cell for cell in table["a job, measured, ÷ floor"] if cell] == ["4.00", "6.00"]
    assert "12.0 ms, 1.20 times the floor, of the 40.0 ms (4.00; goal ≤ 1.1)" in profiles.least_sentence(
        RESULTS, "memory"
    )


def burst(seconds: dict[str, float], jobs: int, per_second: float) -> dict[str, Any]:
    """Some jobs at once, as the results have them."""
    spent = {"processor_seconds": seconds, "ms": figures(1.0) | {"n": jobs}, "per_second": per_second}
    spent |= {"queued_seconds": 0.004 * jobs}
    return spent | {"boundaries": split(1000 / per_second)}


def test_the_bound_is_the_cores_divided_by_what_a_job_takes_of_them() -> None:
    spent = dict.fromkeys(processor.OF_A_JOB, 0.1) | {ELSEWHERE: 0.2, STOLEN: 0.0, IDLE: 1.2}
    modes = {POOL: {"1": burst(spent, 10, 9.0), "2": burst(spent, 10, 16.0), "4": burst(spent, 10, 17.0)}}
    markdown = profiles.processor_table(modes, 2)
    assert markdown is not None
    table = rows(markdown)
    assert table[ENVIRONMENTS] == ["10.0", "5%", "10.0", "5%"]
    assert table["the most jobs per second: 2 cores ÷ that"][0] == f"{2 / 0.06:.1f}"
    assert "| from the pool | 2 | 62.5 | 61.5 | 0.0 |" in markdown
    assert "3.70 times the 9.0 measured with one" in markdown
    assert "jobs had 0.60 cores, 0.20 went elsewhere, and 1.20 were idle" in markdown
    assert "waited 4.0 ms for a core that another had, 4.0 alone" in markdown


def test_what_the_processor_did_is_not_told_where_it_was_not_counted() -> None:
    assert profiles.processor_table({POOL: {"1": burst({}, 10, 9.0), "2": burst({}, 10, 16.0)}}, 2) is None


def snapshot(**changed: Any) -> processor.Snapshot:
    """A machine on which nothing has happened yet, but for what is named."""
    nothing = {"busy": 0.0, "steal": 0.0, "idle": 0.0}
    still: dict[str, Any] = {
        "environments": {},
        "here": 0.0,
        "bench": 0.0,
        "backends": {},
        "background": {},
        "queued": {},
    }
    return processor.Snapshot(**still | {"ended": 0.0, "machine": nothing} | changed)


def test_every_second_of_the_machine_is_in_one_group() -> None:
    before = snapshot(environments={1: 5.0}, here=3.0, backends={2: 1.0, 3: 2.0}, background={4: 1.0}, ended=7.0)
    after = snapshot(
        environments={1: 6.0},
        here=4.0,
        bench=0.25,
        backends={2: 1.5, 5: 0.5},
        background={4: 1.125},
        # The backend 3 has ended with 2.5 in all, and one that came and went had 0.25.
        ended=9.75,
        machine={"busy": 6.0, "steal": 0.5, "idle": 3.5},
    )
    spent = before.until(after)
    assert spent == {
        ENVIRONMENTS: 1.0,
        STACK: 0.75,
        BACKENDS: 1.0,
        SHORT_LIVED: 0.75,
        BACKGROUND: 0.125,
        BENCH: 0.25,
        ELSEWHERE: 2.125,
        STOLEN: 0.5,
        IDLE: 3.5,
    }
    assert sum(spent.values()) == 10.0


def test_a_thread_that_came_later_has_waited_since_it_came() -> None:
    assert snapshot(queued={1: 1.0, 2: 3.0}).queued_until(snapshot(queued={1: 1.5, 3: 0.25})) == 0.75


@pytest.mark.skipif(not (processor.PROC / "stat").exists(), reason="only Linux counts it in /proc")
def test_a_backend_is_counted_while_it_lives_and_when_it_came_and_went(stack: Stack) -> None:
    watch = processor.Watch(stack.postgres.directory)
    lasting = stack.postgres.connect()
    before = watch.snapshot()
    count(lasting)
    between = watch.snapshot()
    passing = stack.postgres.connect()
    count(passing)
    process = processor.PROC / str(passing.info.backend_pid)
    passing.close()
    # Its seconds are the postmaster's once that has taken note of its end.
    while process.exists():
        pass
    after = watch.snapshot()
    lasting.close()
    assert before is not None
    assert between is not None
    assert after is not None
    assert before.until(between)[BACKENDS] > COUNTED_SECONDS
    assert between.until(after)[SHORT_LIVED] > COUNTED_SECONDS


def count(connection: Connection) -> None:
    """Keeps a backend busy."""
    with connection.cursor() as cursor:
        cursor.execute(COUNT_SLOWLY)


def split(total: float) -> dict[str, dict[str, float]]:
    """A stage that was in PostgreSQL, but for a millisecond."""
    spent = {"total": figures(total), "PostgreSQL": figures(total - 1), PYTHON: figures(1.0)}
    return {column: spent.get(column, figures(0.0)) for column in ("total", *BOUNDARIES, PYTHON)}


def test_growth_is_told_by_stage_and_boundary_beside_none_and_beside_the_most_tenants() -> None:
    def beside(slow: float) -> dict[str, Any]:
        stages = {"Verify project": split(2.0), "Finalize": split(slow)}
        ms = {handlers(mode): figures(2.0 + slow) for mode in MODES} | {FLOOR: figures(10.0)}
        return {"ms": ms, "stages": dict.fromkeys(MODES, stages)}

    growth: dict[str, Any] = {"tenants": 3000, "megabytes_per_tenant": 8.0, "background_cores": 0.25}
    growth |= {"empty": beside(10.0), "filled": beside(42.5)}
    markdown = profiles.growth_table(growth)
    assert rows(markdown)[handlers(POOL)] == ["12.0", "12.0", "1", "44.5", "44.5", "1"]
    assert rows(markdown)["Finalize"][:4] == ["10.0", "42.5", "9.0", "41.5"]
    assert rows(markdown)["sum"][:2] == ["12.0", "44.5"]
    assert (
        "from the pool 44.5 and 12.0 ms, of which PostgreSQL +32.5;"
        ' the stage that differs most is "Finalize", +32.5' in markdown
    )
    assert "keeps 25% of a core busy" in markdown


def test_the_bound_of_two_at_once_is_met_by_as_many_jobs_as_two_cores_can_make() -> None:
    spent = dict.fromkeys(processor.OF_A_JOB, 0.1)
    assert goals.of_the_bound(burst(spent, 10, 30.0)) == pytest.approx(0.9)
    assert goals.of_the_bound(burst({}, 10, 30.0)) is None


def test_the_goal_of_the_slowest_import_names_it() -> None:
    imports = {"stages.activation": {"ms": figures(50.0)}, "stages.project": {"ms": figures(40.0)}}
    results = {"imports": imports | {"upkeep.migrate": {"ms": figures(60.0)}}}
    assert goals.title(goals.SLOWEST_IMPORT, results).endswith("(stages.activation)")
