"""The table of README, from the files of a run with its databases in memory and of one with them on a disk."""

import json
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).with_name("results")


def table() -> str:
    """Returns the committed results as Markdown."""
    memory, disk = (json.loads((RESULTS / f"{where}.json").read_text()) for where in ("memory", "disk"))
    lines = ["| | memory: ÷ floor | p50 / p95 ms | disk: ÷ floor | p50 / p95 ms |", "|---|---|---|---|---|"]
    lines += [f"| {name} | {_cells(memory, name)} | {_cells(disk, name)} |" for name in memory["ms"]]
    return "\n".join(lines) + "\n"


def _cells(results: dict[str, Any], name: str) -> str:
    figures = results["ms"][name]
    return f"{results['ratio_to_floor'][name]:.2f} | {figures['p50']:.1f} / {figures['p95']:.1f}"
