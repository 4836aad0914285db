"""Why a goal is missed, as tables and a sentence each, from the figures alone: of calls, the processor, and growth."""

from collections.abc import Callable
from typing import Any

from bench import processor
from bench.boundaries import BOUNDARIES, PYTHON
from bench.comparison import FLOOR, handlers
from bench.environment import MODES
from bench.tables import cells, table

Results = dict[str, Any]


def sentences(results: Results) -> list[str]:
    """Return what README quotes: the profiles' conclusions, with the databases in memory, and of growth on disk."""
    found = [
        least_sentence(results, "memory"),
        processor_sentence(results["memory"]["concurrency"], results["machine"]["cores"]),
    ]
    if "growth" in results["disk"]:
        found.append(growth_sentence(results["disk"]["growth"]))
    return [sentence for sentence in found if sentence]


def least_table(results: Results, part: str) -> str:
    """Return each call of a job at its bare cost, times how often a job makes it, and the sums beside the jobs."""
    found = results[part]["least"]
    modes, floor = found["modes"], found["floor"]["p50"]
    rows = []
    for name, each in found["each"].items():
        counts = [mode["calls"].get(name, 0) for mode in modes.values()]
        if any(counts):
            spent = [cell for count in counts for cell in (str(count), f"{count * each['p50']:.1f}")]
            rows.append([name, f"{each['p50']:.2f}", f"{each['p95']:.2f}", f"{each['n']:.0f}", *spent])
    for name, of in (("the least: their sum", _least), ("a job, measured", _job)):
        rows.append([name, "", "", "", *(cell for mode in modes.values() for cell in ("", f"{of(mode):.1f}"))])
        ratios = (f"{of(mode) / floor:.2f}" for mode in modes.values())
        rows.append([f"{name}, ÷ floor", "", "", "", *(cell for ratio in ratios for cell in ("", ratio))])
    head = ["call", "p50 ms each", "p95 ms", "n", *(cell for mode in modes for cell in (f"of a job {mode}", "ms"))]
    return f"{table(head, rows)}\n\n{least_sentence(results, part)}"


def least_sentence(results: Results, part: str) -> str:
    """Return what the calls of a job cost at the least, in floors, beside the goal and what the job took."""
    found = results[part]["least"]
    floor = found["floor"]["p50"]
    goals = {row["figure"]: row["goal"] for row in results["goals"] if row["where"] == part}
    told = "; ".join(
        f"{name} {_least(mode):.1f} ms, {_least(mode) / floor:.2f} times the floor, of the {_job(mode):.1f} ms"
        f" ({_job(mode) / floor:.2f}; goal {goals[f'{handlers(name)} ÷ {FLOOR}']}) that a job took"
        for name, mode in found["modes"].items()
    )
    return (
        f"Each call that a job makes, measured bare in the same rounds as jobs and floor ({floor:.1f} ms), times how"
        f" many of them a job makes: {told}. A job that makes these calls one after the other cannot take less here;"
        " what is above is our own Python, and what each call asks for beyond the bare one."
    )


def processor_table(modes: Results, cores: int) -> str | None:
    """Return what each group of processes had of the processor at 1 and at 2 jobs at once, and the bound from it.

    None where it was not counted.
    """
    bursts = _counted(modes)
    if not bursts:
        return None
    rows = []
    for group in next(iter(bursts.values()))["processor_seconds"]:
        cells = []
        for found in bursts.values():
            ms, of_all = _ms_per_job(found, group), found["processor_seconds"]
            cells += [f"{ms:.1f}", f"{of_all[group] / sum(of_all.values()):.0%}"]
        rows.append([group, *cells])
    sums: dict[str, Callable[[Results], float]] = {
        "of a job: all but the last three": _of_a_job,
        f"the most jobs per second: {cores} cores ÷ that": lambda found: cores * 1000 / _of_a_job(found),
        "jobs per second, measured": lambda found: float(found["per_second"]),
        "ready, and waiting for a core: ms per job": _queued,
    }
    rows += [[name, *(cell for one in bursts.values() for cell in (f"{of(one):.1f}", ""))] for name, of in sums.items()]
    head = [
        cell for mode, number in bursts for cell in (f"{mode}, {number} at once: CPU ms per job", f"of {cores} cores")
    ]
    return "\n\n".join([table(["", *head], rows), processor_sentence(modes, cores), _boundaries_table(bursts)])


def _boundaries_table(bursts: dict[tuple[str, str], Results]) -> str:
    """Return what a job waits for at each boundary, alone and beside another."""
    columns = ("total", *BOUNDARIES, PYTHON)
    rows = [
        [mode, number, *(f"{found['boundaries'][column]['p50']:.1f}" for column in columns)]
        for (mode, number), found in bursts.items()
    ]
    return table(["mode", "at once", *(f"{column} ms, p50" for column in columns)], rows)


def processor_sentence(modes: Results, cores: int) -> str:
    """Return how many jobs the cores can make at 2 at once, beside what was measured at 2 and at 1."""
    told = []
    for mode, numbers in modes.items():
        if (mode, "1") in (bursts := _counted({mode: numbers})) and (mode, "2") in bursts:
            one, two = bursts[mode, "1"], bursts[mode, "2"]
            most = cores * 1000 / _of_a_job(two)
            told.append(
                f"A job {mode} takes {_of_a_job(one):.1f} ms of CPU with one at once, {_of_a_job(two):.1f} with"
                f" two: {cores} cores make at most {most:.1f} a second, {most / one['per_second']:.2f} times the"
                f" {one['per_second']:.1f} measured with one. Measured with two were {two['per_second']:.1f}: jobs had"
                f" {_cores(two, *processor.OF_A_JOB, of=cores):.2f} cores,"
                f" {_cores(two, processor.ELSEWHERE, processor.STOLEN, of=cores):.2f} went elsewhere, and"
                f" {_cores(two, processor.IDLE, of=cores):.2f} were idle. Meanwhile a job's processes, of which each"
                f" wakes the next, waited {_queued(two):.1f} ms for a core that another had, {_queued(one):.1f} alone."
            )
    return " ".join(told)


def growth_table(growth: Results) -> str:
    """Return what jobs, the floor and each stage took beside none and beside the most tenants, and what that says."""
    both = growth["empty"], growth["filled"]
    rows = [[name, *(cell for where in both for cell in cells(where["ms"][name]))] for name in both[0]["ms"]]
    head = ["", *(f"{what}, {at}" for at in ("none", _most(growth)) for what in ("p50 ms", "p95 ms", "n"))]
    sections = [table(head, rows), growth_sentence(growth)]
    columns = ("total", *BOUNDARIES, PYTHON)
    for mode in MODES:
        stages = [where["stages"][mode] for where in both]
        rows = [
            [stage, *(f"{where[stage][column]['p50']:.1f}" for column in columns for where in stages)]
            for stage in stages[0]
        ]
        rows.append(["sum", *(f"{_sum(where, column):.1f}" for column in columns for where in stages)])
        head = [f"stage, {mode}", *(f"{column} ms, {at}" for column in columns for at in ("none", _most(growth)))]
        sections.append(table(head, rows))
    return "\n\n".join(sections)


def growth_sentence(growth: Results) -> str:
    """Return by how much longer a job takes with the most tenants, and which boundary and stage take most of that."""
    told = []
    for mode in MODES:
        none, filled = (growth[where]["stages"][mode] for where in ("empty", "filled"))
        boundaries = {column: _sum(filled, column) - _sum(none, column) for column in (*BOUNDARIES, PYTHON)}
        stages = {stage: filled[stage]["total"]["p50"] - none[stage]["total"]["p50"] for stage in none}
        boundary = max(boundaries, key=lambda name: abs(boundaries[name]))
        stage = max(stages, key=lambda name: abs(stages[name]))
        took = [growth[where]["ms"][handlers(mode)]["p50"] for where in ("filled", "empty")]
        told.append(
            f"{mode} {took[0]:.1f} and {took[1]:.1f} ms, of which {boundary} {boundaries[boundary]:+.1f}; the stage"
            f' that differs most is "{stage}", {stages[stage]:+.1f}'
        )
    busy = growth["background_cores"]
    background = f" Idle, PostgreSQL keeps {busy:.0%} of a core busy with them." if busy is not None else ""
    return (
        f"Beside {_most(growth)} tenants, of {growth['megabytes_per_tenant']:.1f} MB of disk each, and on a server"
        f" without any, in the same rounds, a job takes {'; '.join(told)}.{background}"
    )


def _most(growth: Results) -> str:
    return f"{growth['tenants']:,}"


def _counted(modes: Results) -> dict[tuple[str, str], Results]:
    """Return what was measured at 1 and at 2 at once, where the processor's time was counted."""
    return {
        (mode, number): found
        for mode, numbers in modes.items()
        for number, found in numbers.items()
        if number in {"1", "2"} and found.get("processor_seconds") and found["ms"]
    }


def _ms_per_job(found: Results, group: str) -> float:
    return float(found["processor_seconds"][group] * 1000 / found["ms"]["n"])


def _queued(found: Results) -> float:
    return float(found["queued_seconds"] * 1000 / found["ms"]["n"])


def _cores(found: Results, *groups: str, of: int) -> float:
    """Return how many of the cores some groups had over the whole time."""
    seconds = found["processor_seconds"]
    return float(of * sum(seconds[group] for group in groups) / sum(seconds.values()))


def _of_a_job(found: Results) -> float:
    return sum(_ms_per_job(found, group) for group in processor.OF_A_JOB)


def _least(mode: Results) -> float:
    return float(mode["least"])


def _job(mode: Results) -> float:
    return float(mode["job"]["p50"])


def _sum(stages: Results, column: str) -> float:
    return sum(float(stage[column]["p50"]) for stage in stages.values())
