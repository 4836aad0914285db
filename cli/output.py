"""What a command prints: a table or facts for people or, with --json, one JSON document.

A command makes the document, with the schema of the HTTP API and every field that the table has, and what people see
of it, and calls `show`, which prints one of them:

    def jobs(..., *, as_json: AsJson = False) -> None:
        rows = [(one["job_id"], one["status"]) for one in found]
        show({"jobs": found}, Rows(("Job", "Status"), rows), as_json=as_json)

Text is never cut and never broken into lines, so that an id, an ARN or a command can be copied. A table that is wider
than the terminal is printed as records, one field a line. Without a terminal a table is always a table: one line a row.
"""

import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, is_dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.console import Console

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document, also for an error, on stderr.")]

GAP = 2


@dataclass(frozen=True)
class Rows:
    """A table: the titles of its columns, and its rows; None is an empty cell."""

    columns: Sequence[str]
    rows: Sequence[Sequence[object]]


@dataclass(frozen=True)
class Facts:
    """Names with their values, one a line. An empty name continues the one above; None separates with a blank line."""

    rows: Iterable[tuple[str, object] | None]


@dataclass(frozen=True)
class Note:
    """A sentence beside the data, such as the next command."""

    text: str


Shown = Rows | Facts | Note | str


def show(document: object, *shown: Shown, as_json: bool, out: "Console | None" = None) -> None:
    """Print the document as JSON, or what people see of it: text, tables, facts and notes, in this order.

    The document may have NamedTuples, dataclasses and times in it, at any depth.
    """
    if as_json:
        print_json(document)
        return
    from rich.text import Text

    from cli.terminal import console

    out = out or console()
    for one in shown:
        for line, style in _lines(one, out.width if out.is_terminal else None):
            out.print(Text(line, style), soft_wrap=True)


def say(sentence: str, *, as_json: bool) -> None:
    """Print what a command has done, in one sentence."""
    show({"message": sentence}, sentence, as_json=as_json)


def print_json(document: object, *, in_one_line: bool = False) -> None:
    """Print a JSON document in ASCII, which every terminal and locale can show."""
    print(json.dumps(plain(document), indent=None if in_one_line else 2), flush=True)


def plain(value: object) -> Any:
    """Return a value as JSON has it: a record as an object, a time as RFC 3339 has it."""
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return plain(value._asdict())
    if is_dataclass(value) and not isinstance(value, type):
        return plain(asdict(value))
    if isinstance(value, Mapping):
        return {str(name): plain(below) for name, below in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(below) for below in value]
    if isinstance(value, date):
        return value.isoformat()
    return str(value) if isinstance(value, Path) else value


def in_one_line(value: object) -> str:
    """Return a cell's text without what a terminal would obey: a name may be anybody's."""
    text = "" if value is None else str(value)
    return "".join(one if one.isprintable() else "\N{REPLACEMENT CHARACTER}" for one in text)


def _lines(shown: Shown, width: int | None) -> Iterator[tuple[str, str]]:
    """Yield the lines, each with its style."""
    if isinstance(shown, Rows):
        yield from _table(shown, width)
    elif isinstance(shown, Facts):
        yield from _facts(list(shown.rows))
    elif isinstance(shown, Note):
        yield shown.text, "dim"
    else:
        yield shown, ""


def _table(table: Rows, width: int | None) -> Iterator[tuple[str, str]]:
    rows = [[in_one_line(cell) for cell in row] for row in table.rows]
    widths = [max(map(_cells, column)) for column in zip(table.columns, *rows, strict=True)]
    if width is not None and sum(widths) + GAP * (len(widths) - 1) > width:
        for number, row in enumerate(rows):
            pairs = zip(table.columns, row, strict=True)
            yield from _facts([*([None] if number else []), *(pair for pair in pairs if pair[1])])
        return
    yield _row(table.columns, widths), "dim"
    for row in rows:
        yield _row(row, widths), ""


def _facts(facts: Sequence[tuple[str, object] | None]) -> Iterator[tuple[str, str]]:
    names = max((_cells(one[0]) for one in facts if one is not None), default=0)
    for one in facts:
        yield ("" if one is None else _row((one[0], in_one_line(one[1])), (names, 0))), ""


def _row(cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = (cell + " " * (width - _cells(cell)) for cell, width in zip(cells, widths, strict=True))
    return (" " * GAP).join(padded).rstrip()


def _cells(text: str) -> int:
    """Return how many columns of a terminal a text takes."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


def say_nothing_found(text: str) -> None:
    """Say on stderr that there is no data, where stdout has JSON lines, one for each."""
    print(text, file=sys.stderr)
