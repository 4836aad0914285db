"""Tables in Markdown, and figures as their cells."""

from collections.abc import Iterable, Sequence


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table with that head."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def cells(found: dict[str, float]) -> list[str]:
    """Return p50, p95 and n of what was measured."""
    return [f"{found['p50']:.1f}", f"{found['p95']:.1f}", f"{found['n']:.0f}"]
