"""The committed results of a benchmark are what README quotes."""

import json

from bench.figures import Figures
from bench.report import RESULTS, table
from local.template import REPOSITORY


def test_percentiles_lie_between_the_two_nearest_values() -> None:
    assert Figures.of([float(value) for value in range(1, 102)]) == Figures(51.0, 96.0, 101)
    assert Figures.of([7.0]) == Figures(7.0, 7.0, 1)


def test_readme_quotes_the_committed_results() -> None:
    assert table() in (REPOSITORY / "README.md").read_text()


def test_a_committed_run_had_twenty_rounds_with_fsync_and_says_how_busy_the_machine_was() -> None:
    results = json.loads((RESULTS / "memory.json").read_text())
    assert results["fsync"] == "on"
    assert min(figures["n"] for figures in results["ms"].values()) >= 20
    assert len(results["machine"]["load_at_start"]) == len(results["machine"]["load_at_end"]) == 3
