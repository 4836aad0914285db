"""The results as tables, ratios first, and as files: results.json, results.md and results.png."""

import json
from pathlib import Path
from typing import Any

from bench import goals, imports, plot, profiles, strategies
from bench.boundaries import BOUNDARIES, PYTHON
from bench.comparison import FLOOR
from bench.tables import cells, table

Results = dict[str, Any]

UNEQUAL = """\
What is compared is not equal work. `{floor}` and `createdb -T` clone the pool's template, schema and all,
and make nothing else. The schema's {statements} statements are run as superuser, without roles or credentials.
django-tenants makes a schema with our tables and indexes in a database that all its tenants share: no database, no
roles, no row level security. The handlers make the database, two roles, credentials and API keys in Secrets Manager,
registrations with four services, and the ledger's records of all that. The execution adds the state machine; on the
laptop that is moto's interpreter in Python, and its Secrets Manager and the services run on the same cores."""


def write(results: Results, directory: Path) -> None:
    """Writes the three files into a directory, which is made if need be."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "results.json").write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n")
    (directory / "results.md").write_text(document(results))
    plot.draw(results, directory / "results.png")


def document(results: Results) -> str:
    """Returns everything that was measured, as Markdown."""
    sections = ["# Results of a benchmark", machine(results), "## Goals", goals_table(results)]
    sections += ["## Side by side", comparison_table(results), unequal(results)]
    for part in parts(results):
        sections += [f"## A job's time by stage, pool mode, {where(results, part)}", stages_table(results[part])]
        if "least" in results[part]:
            sections += [f"## The least that a job's calls can cost, {where(results, part)}"]
            sections += [profiles.least_table(results, part)]
    for part in parts(results):
        sections += [f"## Jobs at once, {where(results, part)}", concurrency_table(results[part])]
        if by_group := profiles.processor_table(results[part]["concurrency"], results["machine"]["cores"]):
            sections += [f"## Where the processor's time goes, {where(results, part)}", by_group]
    if "strategies" in results.get("disk", {}):
        sections += ["## wal_log and file_copy, disk", strategies_table(results["disk"]["strategies"])]
    if "growth" in results.get("disk", {}):
        sections += ["## Tenants that are there already, disk", growth_table(results["disk"]["growth"])]
        if profiles.has_growth(results["disk"]["growth"]):
            sections += [profiles.growth_table(results["disk"]["growth"])]
    sections += ["## Imports", imports_table(results["imports"])]
    if "cold" in results:
        sections += ["## Each handler's first event in a fresh interpreter", cold_table(results["cold"])]
    sections += [f"![The figures as a picture]({plot.FILE})"]
    return "\n\n".join(sections) + "\n"


def machine(results: Results) -> str:
    """Returns one paragraph about what was measured, and where."""
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
    """Returns in which way the compared are not the same work."""
    statements = next(results[part]["schema_statements"] for part in parts(results))
    return UNEQUAL.format(floor=FLOOR, statements=statements)


def goals_table(results: Results) -> str:
    """Returns the goals, and whether each is met."""
    rows = [
        [
            goals.title(row["ratio"], results),
            row["where"] or "-",
            row["goal"],
            "not measured" if row["measured"] is None else f"{row['measured']:.2f}",
            "yes" if row["met"] else "**no**",
            "yes" if row["gates"] else "no",
        ]
        for row in results["goals"]
    ]
    return table(["ratio", "databases in", "goal", "measured", "met", "gates"], rows)


def comparison_table(results: Results) -> str:
    """Returns what was compared: its ratio to the floor, its p50 and p95, per part."""
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
    """Returns each stage's time by boundary, p50 in ms, and the sum over the stages."""
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
    """Returns why a job takes as long as it does beside the floor: what each boundary has of it."""
    columns = ("total", *BOUNDARIES, PYTHON)
    total, *spent = (sum(found[column]["p50"] for found in part["stages"].values()) for column in columns)
    shares = ", ".join(f"{boundary} {ms:.1f}" for boundary, ms in zip(columns[1:], spent, strict=True))
    return (
        f"Where the {total:.1f} ms of a job go, in pool mode with its databases in memory: {shares}. The floor takes"
        f" {part['ms'][FLOOR]['p50']:.1f} ms. By stage:"
    )


def concurrency_table(part: Results) -> str:
    """Returns throughput and latency per number of jobs at once, and what failed."""
    rows = [
        [mode, number, f"{found['per_second']:.1f}", *cells(found["ms"]), str(found["failures"])]
        for mode, numbers in part["concurrency"].items()
        for number, found in numbers.items()
    ]
    return table(["mode", "at once", "jobs per second", "p50 ms", "p95 ms", "n", "failed"], rows)


def strategies_table(found: list[Results]) -> str:
    """Returns what a database costs by each strategy, and what it costs the tenants beside it."""
    rows = [
        [
            one["beside"],
            str(one["at_once"]),
            one["strategy"],
            f"{one['per_second']:.1f}",
            *cells(one["ms"]),
            f"{one['wal_megabytes_per_database']:.1f}",
            f"{one['commits_per_second']:.0f}",
            *cells(one["commit_ms"])[:2],
        ]
        for one in found
    ]
    head = ["beside", "at once", "strategy", "databases per second", "p50 ms", "p95 ms", "n", "WAL MB per database"]
    written = table([*head, "the tenant's commits per second", "p50 ms", "p95 ms"], rows)
    return f"{written}\n\nThe seconds of a burst end with a checkpoint, and the WAL is everybody's."


def growth_table(found: Results) -> str:
    """Returns the time of a job at each number of tenants and beside it with none, the slope, and a tenant's disk."""
    names = list(next(iter(found["empty"].values())))
    rows = [
        [
            str(at["tenants"]),
            *(cell for name in names for cell in (*cells(at[name])[:2], cells(found["empty"][size][name])[0])),
            cells(at[names[0]])[2],
        ]
        for size, at in found["at"].items()
    ]
    kinds = ("p50 ms", "p95 ms", "p50 ms on a server with none, in the same rounds")
    head = ["tenants", *(f"{name}, {what}" for name in names for what in kinds), "n"]
    return f"{table(head, rows)}\n\n{growth_sentence(found)}"


def growth_sentence(found: Results) -> str:
    """Returns what a tenant takes of the disk, and how much slower those before it make the next."""
    most = max(at["tenants"] for at in found["at"].values())
    slopes = "; ".join(f"{name} {slope:+.1f}" for name, slope in found["ms_per_thousand_tenants"].items())
    longer = (
        f"How much longer than with none, p50 in ms per 1,000 tenants that are there already, up to {most}, on disk"
    )
    slope = f" {longer}: {slopes}." if slopes else ""
    return f"A tenant takes {found['megabytes_per_tenant']:.1f} MB of disk.{slope}"


def strategies_sentence(found: list[Results]) -> str:
    """Returns how often either strategy was the better one, and for whom."""
    pairs = [
        {one["strategy"]: one for one in found if (one["beside"], one["at_once"]) == kind}
        for kind in dict.fromkeys((one["beside"], one["at_once"]) for one in found)
    ]
    sooner = sum(pair["wal_log"]["ms"]["p50"] < pair["file_copy"]["ms"]["p50"] for pair in pairs)
    more = sum(pair["wal_log"]["per_second"] > pair["file_copy"]["per_second"] for pair in pairs)
    by = {name: [pair[name]["ms"]["p50"] for pair in pairs] for name in strategies.STRATEGIES}
    told = ", ".join(f"{min(p50):.0f} to {max(p50):.0f} ms by `{name}`" for name, p50 in by.items())
    return (
        f"A job waits for its clone. On disk, 1 to 4 at once, alone and beside a tenant at work, p50 was {told}:"
        f" `wal_log` was sooner in {sooner} of {len(pairs)} cases. With the last checkpoint counted in, it made more a"
        f" second in {more}. Clones are made by `wal_log`, PostgreSQL's default."
    )


def imports_table(found: Results) -> str:
    """Returns what importing each handler's module costs."""
    floor = found[imports.FLOOR]["ms"]["p50"]
    rows = [
        [name, f"{one['ms']['p50'] / floor:.2f}", *cells(one["ms"]), f"{one['peak_mib']['p50']:.1f}"]
        for name, one in found.items()
    ]
    return table(["import", f"÷ {imports.FLOOR}", "p50 ms", "p95 ms", "n", "peak MiB"], rows)


def cold_table(found: Results) -> str:
    """Returns what a handler's first event takes: memory, and the processor's time."""
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
    """Returns the parts that were measured: memory, disk, or both."""
    return [part for part in ("memory", "disk") if part in results]


def where(results: Results, part: str) -> str:
    """Returns the part with its file system."""
    return f"{part} ({results[part]['file_system']})"
