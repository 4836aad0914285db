"""make bench: one run, its table on the terminal and its figures in a JSON file."""

import argparse
import json
import os
import platform
import tempfile
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench import imports, provisions
from bench.figures import Figures
from local.stack import Stack

FLOOR = "CREATE DATABASE TEMPLATE"
IMPORT_FLOOR = "psycopg2 + Logger"


def main() -> None:
    """Measures, prints the table and writes the file."""
    options = _options()
    results: dict[str, Any] = {"machine": _machine(), "rounds": options.rounds}
    with (
        tempfile.TemporaryDirectory(dir=options.directory) as directory,
        Stack(Path(directory), fsync=True) as stack,
    ):
        results["free_gb"] = round(provisions.free_gigabytes(stack))
        measured = provisions.Provisions(stack)
        with stack.postgres.connect().cursor() as cursor:
            cursor.execute("SELECT version(), current_setting('fsync')")
            results["postgres"], results["fsync"] = cursor.fetchone() or ("", "")
        with measured.environment(1) as environment:
            compared = environment.submit(provisions.compare, measured, options.rounds).result()
            results["warm_job"] = environment.submit(measured.counted).result()
        results["ms"] = {name: asdict(figures) for name, figures in compared.items()}
        results["ratio_to_floor"] = {name: figures.p50 / compared[FLOOR].p50 for name, figures in compared.items()}
        results["concurrency"] = {
            workers: measured.concurrent(workers, max(options.rounds, workers)) for workers in options.concurrency
        }
    found = imports.measure(options.import_rounds)
    results["imports"] = {
        name: {unit: asdict(Figures.of(taken)) for unit, taken in values.items()} for name, values in found.items()
    }
    results["machine"]["load_at_end"] = os.getloadavg()
    _print(results)
    if options.output:
        options.output.parent.mkdir(parents=True, exist_ok=True)
        options.output.write_text(json.dumps(results, indent=2) + "\n")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--import-rounds", type=int, default=20)
    parser.add_argument("--directory", help="where the databases are kept: /dev/shm for memory; a disk by default")
    parser.add_argument("--concurrency", type=int, nargs="*", default=[1, 2, 4, 8, 16, 32])
    parser.add_argument("--output", type=Path, help="the JSON file")
    return parser.parse_args()


def _machine() -> dict[str, Any]:
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "cores": os.cpu_count(),
        "processor": platform.machine(),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "load_at_start": os.getloadavg(),
    }


def _print(results: dict[str, Any]) -> None:
    print(f"{'':28}{'÷ floor':>9}{'p50 ms':>10}{'p95 ms':>10}{'n':>5}")
    for name, figures in results["ms"].items():
        ratio = results["ratio_to_floor"][name]
        print(f"{name:28}{ratio:9.2f}{figures['p50']:10.2f}{figures['p95']:10.2f}{figures['n']:5}")
    print(f"\nOne warm job: {results['warm_job']}\n")
    for workers, figures in results["concurrency"].items():
        print(f"{workers:3} at once: {figures['per_second']:6.2f} jobs/s, p95 {figures['p95_ms']:8.1f} ms")
    floor = results["imports"][IMPORT_FLOOR]["ms"]["p50"]
    print()
    for name, figures in results["imports"].items():
        ratio, p50, peak = figures["ms"]["p50"] / floor, figures["ms"]["p50"], figures["peak_mib"]["p50"]
        print(f"import {name:21}{ratio:9.2f}{p50:10.1f} ms {peak:7.1f} MiB")


if __name__ == "__main__":
    main()
