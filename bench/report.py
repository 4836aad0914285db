"""The table of README, from the file of a run with its databases in memory."""

import json
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).with_name("results")


def table() -> str:
    """Returns the committed results as Markdown."""
    results: dict[str, Any] = json.loads((RESULTS / "memory.json").read_text())
    lines = ["| | ÷ floor | p50 ms | p95 ms | n |", "|---|---|---|---|---|"]
    for name, figures in results["ms"].items():
        ratio = results["ratio_to_floor"][name]
        lines.append(f"| {name} | {ratio:.2f} | {figures['p50']:.1f} | {figures['p95']:.1f} | {figures['n']} |")
    return "\n".join(lines) + "\n"
