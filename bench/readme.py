"""README's section of results, from the committed file: python -m bench.readme writes it, a test compares it."""

import json
import textwrap
from typing import Any

from bench import profiles, report
from local.template import REPOSITORY

README = REPOSITORY / "README.md"
RESULTS = REPOSITORY / "bench" / "results"
BEGIN, END = "<!-- bench/results, by python -m bench.readme -->\n", "<!-- end of bench/results -->\n"
WIDTH = 120

MORE = """\
[`bench/results/results.md`](bench/results/results.md) has the rest: the same on disk, the calls of a job at their
bare cost, 1 to 32 jobs at once and where the processor's time goes, growth by stage, and the imports."""


def section(results: dict[str, Any]) -> str:
    """Return what README quotes: the goals, the comparison, and what the comparison does not say."""
    paragraphs = [
        report.machine(results),
        "The floor is a bare `CREATE DATABASE … TEMPLATE` over an open connection.",
        report.goals_table(results),
        report.comparison_table(results),
        report.unequal(results),
        report.profile_sentence(results["memory"]),
        report.stages_table(results["memory"]),
        *profiles.sentences(results),
        "![The same as a picture](bench/results/results.png)",
        MORE,
    ]
    return BEGIN + "\n\n".join(map(_wrapped, paragraphs)) + "\n" + END


def _wrapped(paragraph: str) -> str:
    if paragraph.startswith("|"):
        return paragraph
    return textwrap.fill(paragraph, WIDTH, break_long_words=False, break_on_hyphens=False)


def refresh(results: dict[str, Any]) -> None:
    """Write the section into README."""
    text = README.read_text()
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    README.write_text(before + section(results) + after)


if __name__ == "__main__":
    refresh(json.loads((RESULTS / "results.json").read_text()))
