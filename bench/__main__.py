"""`make bench`: one run on one server, ratios first, as a table and as JSON."""

import argparse
import json
import logging
import os
import platform
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import redirect_stdout
from dataclasses import asdict
from io import StringIO
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.measuring import Figure, figure, interleaved
from bench.work import Bench
from local.stack import Stack

RESULTS = Path(__file__).with_name("results")
CONCURRENCY = (1, 2, 4, 8, 16, 32)


def main() -> None:
    """Measures on a disk with fsync on, and on tmpfs when there is one, and writes the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=20, help="rounds of the interleaved part")
    parser.add_argument("--jobs", type=int, default=32, help="jobs at each level of concurrency")
    parser.add_argument("--disk", type=Path, default=Path(tempfile.gettempdir()), help="where the disk's PGDATA goes")
    parser.add_argument("--memory", type=Path, default=Path("/dev/shm"), help="a tmpfs")  # noqa: S108
    parser.add_argument("--name", default="latest", help="of the file under bench/results")
    asked = parser.parse_args()
    console = Console(width=120)
    document: dict[str, Any] = {"machine": machine(), "media": {}}
    for medium, folder in (("memory", asked.memory), ("disk", asked.disk)):
        measured = measure(folder, asked.rounds, asked.jobs)
        document["media"][medium] = measured
        show(console, medium, measured)
    document["machine"]["load_at_end"] = os.getloadavg()
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{asked.name}.json").write_text(json.dumps(document, indent=2) + "\n")


def machine() -> dict[str, Any]:
    """Describes what the figures were measured on."""
    return {
        "cores": os.cpu_count(),
        "architecture": platform.machine(),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "measured_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "load_at_start": os.getloadavg(),
    }


def measure(folder: Path, rounds: int, jobs: int) -> dict[str, Any]:
    """Runs everything on one server with fsync on."""
    logging.disable(logging.CRITICAL)
    with tempfile.TemporaryDirectory(prefix="bench-", dir=folder) as place, redirect_stdout(StringIO()):
        Path(place).chmod(0o755)
        with Stack(Path(place) / "state", fsync=True) as stack:
            os.environ["POOL_SIZE"] = "0"
            bench = Bench(stack)
            bench.refill(1)
            figures = by_itself(bench, rounds)
            return {
                "figures": {name: asdict(one) for name, one in figures.items()},
                "ratios": ratios(figures),
                "concurrency": concurrency(bench, jobs),
            }


def by_itself(bench: Bench, rounds: int) -> dict[str, Figure]:
    """Each way of provisioning, one at a time, interleaved with the floor."""
    floor = {
        "SELECT 1": bench.select_one,
        "createdb -T": bench.createdb,
        "statement by statement": bench.statement_by_statement,
    }
    bench.refill(2 * rounds + 4)
    bench.spare(rounds + 1)
    figures = interleaved(
        rounds,
        {
            "execution, pool": bench.execution,
            "handlers, pool": bench.handlers,
            "CREATE DATABASE TEMPLATE": bench.bare_template,
            "claim, data plane": bench.claim,
            **floor,
        },
    )
    bench.only_template()
    beside = interleaved(
        rounds, {"handlers, template": bench.handlers, "CREATE DATABASE TEMPLATE": bench.bare_template}
    )
    figures["handlers, template"] = beside["handlers, template"]
    figures["CREATE DATABASE TEMPLATE, beside template"] = beside["CREATE DATABASE TEMPLATE"]
    return figures


def ratios(figures: dict[str, Figure]) -> dict[str, float]:
    """What the goals are about: medians of one run, divided."""

    def divided(one: str, other: str) -> float:
        return round(figures[one].p50 / figures[other].p50, 2)

    return {
        "handlers, pool ÷ CREATE DATABASE TEMPLATE": divided("handlers, pool", "CREATE DATABASE TEMPLATE"),
        "handlers, template ÷ CREATE DATABASE TEMPLATE": divided(
            "handlers, template", "CREATE DATABASE TEMPLATE, beside template"
        ),
        "execution, pool ÷ CREATE DATABASE TEMPLATE": divided("execution, pool", "CREATE DATABASE TEMPLATE"),
        "createdb -T ÷ CREATE DATABASE TEMPLATE": divided("createdb -T", "CREATE DATABASE TEMPLATE"),
        "statement by statement ÷ CREATE DATABASE TEMPLATE": divided(
            "statement by statement", "CREATE DATABASE TEMPLATE"
        ),
        "claim ÷ SELECT 1": divided("claim, data plane", "SELECT 1"),
    }


def concurrency(bench: Bench, jobs: int) -> list[dict[str, Any]]:
    """Whole jobs, handlers in order, so many at once, from a pool that has an entry for each; any failure raises."""
    rows = []
    for at_once in CONCURRENCY:
        bench.refill(jobs)

        def timed(number: int) -> float:
            started = time.perf_counter()
            bench.handlers(number)
            return (time.perf_counter() - started) * 1000

        with ThreadPoolExecutor(at_once) as pool:
            started = time.perf_counter()
            taken = list(pool.map(timed, range(jobs)))
            seconds = time.perf_counter() - started
        rows.append({"at_once": at_once, "per_second": round(jobs / seconds, 2), **asdict(figure("job", taken))})
    return rows


def show(console: Console, medium: str, measured: dict[str, Any]) -> None:
    """Prints ratios first."""
    table = Table("ratio", medium)
    for name, value in measured["ratios"].items():
        table.add_row(name, f"{value:.2f}")
    console.print(table)
    table = Table("milliseconds", "p50", "p95", "n")
    for name, one in measured["figures"].items():
        table.add_row(name, f"{one['p50']:.2f}", f"{one['p95']:.2f}", str(one["n"]))
    console.print(table)
    table = Table("jobs at once", "jobs per second", "p50", "p95", "n")
    for row in measured["concurrency"]:
        table.add_row(*(str(row[key]) for key in ("at_once", "per_second", "p50", "p95", "n")))
    console.print(table)


if __name__ == "__main__":
    main()
