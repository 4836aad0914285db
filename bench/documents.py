"""What the repository says of the committed results; python -m bench.documents writes it again from results.json.

That is what is between the markers of docs/benchmarks.md and README.md.
"""

import json
from pathlib import Path
from typing import Any

from bench import report
from bench.comparison import CREATEDB, FLOOR, PEER, handlers, to_floor
from bench.environment import NOTHING, POOL
from bench.figures import table
from local.template import REPOSITORY

README, BENCHMARKS = REPOSITORY / "README.md", REPOSITORY / "docs" / "benchmarks.md"
RESULTS = REPOSITORY / "bench" / "results"
BEGIN, END = "<!-- bench/results, by python -m bench.documents -->\n", "<!-- end of bench/results -->\n"

IN_README = {
    "a job from the pool": handlers(POOL),
    "a job from nothing": handlers(NOTHING),
    f"`{FLOOR}`, the floor": FLOOR,
    f"`{CREATEDB}`": CREATEDB,
    "django-tenants, create and migrate": PEER,
}
MORE = """\
"From the pool" claims a tenant made ahead of need; "from nothing" makes one. The floor is a bare clone of a database.
This is not equal work, and a job here is its handlers without the state machine.
[`docs/benchmarks.md`](docs/benchmarks.md) says what each does and on which machine, and has a job by stage, many jobs
at once, and jobs beside thousands of tenants."""


def write(results: dict[str, Any], directory: Path) -> None:
    """Write results.json and results.md into a directory, which is made if need be."""
    _write_figures(results, directory)
    (directory / "results.md").write_text(markdown(results))


def markdown(results: dict[str, Any]) -> str:
    """Return the page results.md."""
    return f"# Results of a benchmark\n\n{report.document(results)}"


def publish(results: dict[str, Any]) -> None:
    """Write the committed results, and what the two documents quote of them."""
    _write_figures(results, RESULTS)
    for file, quoted in ((BENCHMARKS, report.document(results)), (README, speed(results))):
        before, _, rest = file.read_text().partition(BEGIN)
        _, _, after = rest.partition(END)
        file.write_text(f"{before}{BEGIN}\n{quoted}\n{END}{after}")


def speed(results: dict[str, Any]) -> str:
    """Return what README quotes: a small table."""
    rows = []
    for name, measured in IN_README.items():
        found = [
            (results[part]["ms"][measured]["p50"], to_floor(results[part], measured)) for part in ("memory", "disk")
        ]
        rows.append([name, *(cell for ms, floors in found for cell in (f"{ms:.1f}", f"{floors:.2f}"))])
    head = ["", "p50 ms, databases in memory", "÷ floor", "p50 ms, on disk", "÷ floor"]
    return f"{table(head, rows)}\n\n{MORE}\n"


def _write_figures(results: dict[str, Any], directory: Path) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "results.json").write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    publish(json.loads((RESULTS / "results.json").read_text()))
