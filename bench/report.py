"""The results as tables, ratios first, and as files: results.json, results.md and results.png."""

import json
from pathlib import Path
from typing import Any

from bench import access, goals, imports, plot, profiles
from bench.boundaries import BOUNDARIES, PYTHON
from bench.comparison import FLOOR
from bench.tables import cells, table

Results = dict[str, Any]

UNEQUAL = """\
What is compared is not equal work. `{floor}` and `createdb -T` clone a tenant's database, schema and all,
and make nothing else. The schema's {statements} statements are run as superuser, without roles or credentials.
django-tenants makes a schema with our tables and indexes in a database that all its tenants share: no database, no
roles, no row level security. The handlers make the database, two roles, credentials and API keys in Secrets Manager,
registrations with four services, and the ledger's records of all that. The execution adds the state machine; on the
laptop that is moto's interpreter in Python, and its Secrets Manager and the services run on the same cores."""


def write(results: Results, directory: Path) -> None:
    """Write the three files into a directory, which is made if need be."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "results.json").write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n")
    (directory / "results.md").write_text(document(results))
    plot.draw(results, directory / "results.png")


def document(results: Results) -> str:
    """Return everything that was measured, as Markdown."""
    sections = ["# Results of a benchmark", machine(results), "## Goals", goals_table(results)]
    sections += ["## Side by side", comparison_table(results), unequal(results)]
    for part in parts(results):
        sections += [
            f"## A job from the pool by stage, {where(results, part)}",
            stages_table(results[part]),
        ]
        if "access" in results[part]:
            sections += [f"## Suspending and resuming a tenant, {where(results, part)}"]
            sections += [access.access_table(results[part]["access"])]
        sections += [f"## The least that a job's calls can cost, {where(results, part)}"]
        sections += [profiles.least_table(results, part)]
    for part in parts(results):
        sections += [f"## Jobs at once, {where(results, part)}", concurrency_table(results[part])]
        if by_group := profiles.processor_table(results[part]["concurrency"], results["machine"]["cores"]):
            sections += [f"## Where the processor's time goes, {where(results, part)}", by_group]
    if "growth" in results.get("disk", {}):
        sections += ["## Beside many tenants, disk", profiles.growth_table(results["disk"]["growth"])]
    sections += ["## Imports", imports_table(results["imports"])]
    if "cold" in results:
        sections += ["## Each handler's first event in a fresh interpreter", cold_table(results["cold"])]
    sections += [f"![The figures as a picture]({plot.FILE})"]
    return "\n\n".join(sections) + "\n"


def machine(results: Results) -> str:
    """Return one paragraph about what was measured, and where."""
    about = results["machine"]
    server = next(results[part]["postgresql"] for part in parts(results))
    kept = ", ".join(where(results, part) for part in parts(results))
    return (
        f"`{results['command']}` on {about['at'][:10]}: {about['processor']}, {about['cores']} cores,"
        f" {about['memory_gib']} GiB, {about['kernel']}, Python {about['python']},"
        f" PostgreSQL {server['server_version']} with fsync {server['fsync']}; {kept}."
        f" Load average {about['load_average_at_start'][0]:.2f} at the start; {results['seconds'] / 60:.0f} minutes."
    )


def unequal(results: Results) -> str:
    """Return in which way the compared are not the same work."""
    statements = next(results[part]["schema_statements"] for part in parts(results))
    return UNEQUAL.format(floor=FLOOR, statements=statements)


def goals_table(results: Results) -> str:
    """Return the goals, and whether each is met."""
    rows = [
        [
            goals.title(row["figure"], results),
            row["where"] or "-",
            row["goal"],
            "not measured" if row["measured"] is None else f"{row['measured']:.2f}",
            "yes" if row["met"] else "**no**",
            "yes" if row["gates"] else "no",
        ]
        for row in results["goals"]
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
        floors = [results[part]["ms"][FLOOR]["p50"] for part in there]
        row = [name, *(f"{one['p50'] / floor:.2f}" for one, floor in zip(measured, floors, strict=True))]
        rows.append([*row, *(f"{one[what]:.1f}" for one in measured for what in ("p50", "p95")), str(measured[0]["n"])])
    return table([*head, "n"], rows)


def stages_table(part: Results) -> str:
    """Return each stage's time by boundary, p50 in ms, and the sum over the stages."""
    columns = ["total", *BOUNDARIES, PYTHON, "round trips"]
    rows = [
        [stage, *(f"{found[column]['p50']:.1f}" for column in columns[:-1]), f"{found['total']['p95']:.1f}",
         f"{found['round trips']['p50']:.0f}"]
        for stage, found in part["stages"].items()
    ]  # fmt: skip
    sums = [sum(found[column]["p50"] for found in part["stages"].values()) for column in columns]
    rows.append(["sum", *(f"{value:.1f}" for value in sums[:-1]), "", f"{sums[-1]:.0f}"])
    head = ["stage", "total ms", *(f"{column} ms" for column in columns[1:-1]), "total p95 ms", "round trips"]
    count = next(iter(part["stages"].values()))["total"]["n"]
    opened = ", ".join(part["warm_job"]["connections"]) or "none"
    return f"{table(head, rows)}\n\np50 of {count} jobs. Connections that a warm job opens, to: {opened}."


def profile_sentence(part: Results) -> str:
    """Return why a job takes as long as it does beside the floor: what each boundary has of it."""
    columns = ("total", *BOUNDARIES, PYTHON)
    total, *spent = (sum(found[column]["p50"] for found in part["stages"].values()) for column in columns)
    shares = ", ".join(f"{boundary} {ms:.1f}" for boundary, ms in zip(columns[1:], spent, strict=True))
    return (
        f"Where the {total:.1f} ms of a job from the pool go, with its databases in memory: {shares}. The floor takes"
        f" {part['ms'][FLOOR]['p50']:.1f} ms. By stage:"
    )


def concurrency_table(part: Results) -> str:
    """Return throughput and latency per number of jobs at once, and what failed."""
    rows = [
        [mode, number, f"{found['per_second']:.1f}", *cells(found["ms"]), str(found["failures"])]
        for mode, numbers in part["concurrency"].items()
        for number, found in numbers.items()
    ]
    return table(["mode", "at once", "jobs per second", "p50 ms", "p95 ms", "n", "failed"], rows)


def imports_table(found: Results) -> str:
    """Return what importing each handler's module costs."""
    floor = found[imports.FLOOR]["ms"]["p50"]
    rows = [
        [name, f"{one['ms']['p50'] / floor:.2f}", *cells(one["ms"]), f"{one['peak_mib']['p50']:.1f}"]
        for name, one in found.items()
    ]
    return table(["import", f"÷ {imports.FLOOR}", "p50 ms", "p95 ms", "n", "peak MiB"], rows)


def cold_table(found: Results) -> str:
    """Return what a handler's first event takes: memory, and the processor's time."""
    rows = [
        [
            name.rpartition(".")[2],
            *cells(one["peak_mib"])[:2],
            *cells(one["import_ms"])[:2],
            *cells(one["run_ms"]),
        ]
        for name, one in found.items()
    ]
    head = ["handler", "peak MiB p50", "p95", "import, ms of CPU, p50", "p95", "the event, ms of CPU, p50", "p95", "n"]
    return table(head, rows)


def parts(results: Results) -> list[str]:
    """Return the parts that were measured: memory, disk, or both."""
    return [part for part in ("memory", "disk") if part in results]


def where(results: Results, part: str) -> str:
    """Return the part with its file system."""
    return f"{part} ({results[part]['file_system']})"
