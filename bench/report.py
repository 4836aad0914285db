"""The results as one document: tables, ratios first, and what they do not say."""

import textwrap
from collections.abc import Iterator
from typing import Any

from bench import goals, imports, processor
from bench.boundaries import BOUNDARIES, PYTHON, ROUND_TRIPS
from bench.comparison import FLOOR, to_floor
from bench.environment import MODES
from bench.figures import Figures, cells, table

Results = dict[str, Any]
WIDTH = 120

UNEQUAL = f"""\
What is compared is not equal work. `{FLOOR}` and `createdb -T` clone a tenant's database, schema and all, and make
nothing else. The tenant schema is run as superuser, without roles or credentials. django-tenants makes a schema with
our tables and indexes in a database that all its tenants share: no database, no roles, no row level security. The
handlers make the database, two roles, credentials and API keys in Secrets Manager, registrations with four services,
and the ledger's records of all that. A job from the pool takes a tenant that was made before it: its database, roles
and credentials are not in its time. The execution adds the state machine; on the laptop that is moto's interpreter in
Python, and its Secrets Manager and the services run on the same cores."""


def document(results: Results) -> str:
    """Return everything that was measured, as Markdown with its prose wrapped."""
    return "\n\n".join(map(_wrapped, _sections(results))) + "\n"


def _sections(results: Results) -> Iterator[str]:
    yield from (machine(results), "## Goals", goals_table(results))
    yield from ("## Side by side", comparison_table(results), UNEQUAL)
    for part in parts(results):
        yield from (f"## A job from the pool by stage, {_where(results, part)}", *stages(results[part]))
    for part in parts(results):
        if found := results[part].get("access"):
            yield from (f"## Suspending and resuming a tenant, {_where(results, part)}", access_table(found))
    for part in parts(results):
        yield from (f"## Jobs at once, {_where(results, part)}", concurrency_table(results[part]))
    if grown := results["disk"].get("growth"):
        yield from ("## Beside many tenants, disk", growth_table(grown), growth_sentence(grown), growth_stages(grown))
    yield from ("## Imports", imports_table(results["imports"]))


def machine(results: Results) -> str:
    """Return one paragraph about what was measured, and where."""
    about = results["machine"]
    server = next(results[part]["postgresql"] for part in parts(results))
    kept = ", ".join(_where(results, part) for part in parts(results))
    return (
        f"`{results['command']}` on {about['at'][:10]}: {about['processor']}, {about['cores']} cores,"
        f" {about['memory_gib']} GiB, {about['kernel']}, Python {about['python']},"
        f" PostgreSQL {server['server_version']} with fsync {server['fsync']}; {kept}."
        f" Load average {about['load_average_at_start'][0]:.2f} at the start; {results['seconds'] / 60:.0f} minutes."
    )


def goals_table(results: Results) -> str:
    """Return the goals, and whether each is met."""
    rows = [
        [
            row["figure"],
            row["where"],
            row["goal"],
            "not measured" if row["measured"] is None else f"{row['measured']:.2f}",
            "yes" if row["met"] else "**no**",
            "yes" if row["gates"] else "no",
        ]
        for row in goals.judge(results)
    ]
    return table(["", "databases in", "goal", "measured", "met", "gates"], rows)


def comparison_table(results: Results) -> str:
    """Return what was compared: its ratio to the floor, its p50 and p95, per part."""
    there = parts(results)
    head = ["", *(f"÷ floor, {part}" for part in there)]
    head += [f"{what}, {part}" for part in there for what in ("p50 ms", "p95 ms")]
    rows = []
    for name in results[there[0]]["ms"]:
        measured = [results[part]["ms"][name] for part in there]
        row = [name, *(f"{to_floor(results[part], name):.2f}" for part in there)]
        rows.append([*row, *(f"{one[what]:.1f}" for one in measured for what in ("p50", "p95")), str(measured[0]["n"])])
    return table([*head, "n"], rows)


def stages(part: Results) -> tuple[str, str]:
    """Return each stage's time by boundary, p50 in ms, with the sum over the stages, and of how many jobs."""
    columns = ["total", *BOUNDARIES, PYTHON, ROUND_TRIPS]
    rows = [
        [stage, *(f"{found[column]['p50']:.1f}" for column in columns[:-1]), f"{found['total']['p95']:.1f}",
         f"{found[ROUND_TRIPS]['p50']:.0f}"]
        for stage, found in part["stages"].items()
    ]  # fmt: skip
    *sums, round_trips = (_sum(part["stages"], column) for column in columns)
    rows.append(["sum", *(f"{value:.1f}" for value in sums), "", f"{round_trips:.0f}"])
    head = ["stage", "total ms", *(f"{column} ms" for column in columns[1:-1]), "total p95 ms", "round trips"]
    count = next(iter(part["stages"].values()))["total"]["n"]
    return table(head, rows), f"p50 of {count} jobs. The floor takes {part['ms'][FLOOR]['p50']:.1f} ms."


def access_table(found: dict[str, Figures]) -> str:
    """Return what suspending and resuming a tenant took."""
    return table(["of a live tenant", "p50 ms", "p95 ms", "n"], [[what, *cells(one)] for what, one in found.items()])


def concurrency_table(part: Results) -> str:
    """Return throughput and latency per number of jobs at once, and what a job takes of the processor."""
    rows = [
        [mode, number, f"{found['per_second']:.1f}", *cells(found["ms"]), _cpu_milliseconds(found)]
        for mode, numbers in part["concurrency"].items()
        for number, found in numbers.items()
    ]
    return table(["mode", "at once", "jobs per second", "p50 ms", "p95 ms", "n", "CPU ms per job"], rows)


def growth_table(growth: Results) -> str:
    """Return what jobs and the floor took beside none and beside the most tenants."""
    both = growth["empty"], growth["filled"]
    rows = [
        [
            name,
            *(cell for where in both for cell in cells(where["ms"][name])),
            f"{both[1]['ms'][name]['p50'] / both[0]['ms'][name]['p50']:.2f}",
        ]
        for name in both[0]["ms"]
    ]
    head = [f"{what}, {at}" for at in ("none", _most(growth)) for what in ("p50 ms", "p95 ms", "n")]
    return table(["", *head, "÷ none"], rows)


def growth_stages(growth: Results) -> str:
    """Return what each stage took beside none and beside the most tenants."""
    found = [growth[where]["stages"][mode] for mode in MODES for where in ("empty", "filled")]
    rows = [[stage, *(f"{one[stage]['total']['p50']:.1f}" for one in found)] for stage in found[0]]
    rows.append(["sum", *(f"{_sum(one, 'total'):.1f}" for one in found)])
    head = [f"{mode}, {at}: p50 ms" for mode in MODES for at in ("none", _most(growth))]
    return table(["stage", *head], rows)


def growth_sentence(growth: Results) -> str:
    """Return what the two servers had."""
    return (
        f"Beside {_most(growth)} tenants, of {growth['megabytes_per_tenant']:.1f} MB of disk each, and on a server"
        " without any, in the same rounds. By stage:"
    )


def imports_table(found: Results) -> str:
    """Return what importing each handler's module costs."""
    floor = found[imports.FLOOR]["ms"]["p50"]
    rows = [[name, f"{one['ms']['p50'] / floor:.2f}", *cells(one["ms"])] for name, one in found.items()]
    return table(["import", f"÷ {imports.FLOOR}", "p50 ms", "p95 ms", "n"], rows)


def parts(results: Results) -> list[str]:
    """Return the parts that were measured: memory, disk, or both."""
    return [part for part in ("memory", "disk") if part in results]


def _where(results: Results, part: str) -> str:
    """Return the part with its file system."""
    return f"{part} ({results[part]['file_system']})"


def _cpu_milliseconds(found: Results) -> str:
    seconds = processor.seconds_per_job(found)
    return "-" if seconds is None else f"{seconds * 1000:.1f}"


def _most(growth: Results) -> str:
    return f"{growth['tenants']:,}"


def _sum(found: Results, column: str) -> float:
    return sum(float(stage[column]["p50"]) for stage in found.values())


def _wrapped(paragraph: str) -> str:
    if paragraph.startswith(("|", "#")):
        return paragraph
    return textwrap.fill(paragraph, WIDTH, break_long_words=False, break_on_hyphens=False)
