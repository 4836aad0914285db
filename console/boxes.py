"""Boxes with their texts, measured without a browser: no font that a browser may choose is wider."""

import functools
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from console.definition import Transition

NAME_SIZE, NOTE_SIZE = 13, 12
"""The sizes of the texts, in pixels."""
LINE_HEIGHT = 16
INSET = 6
BETWEEN = 20
"""Between two boxes of a column, for the arrow."""
MOST_LINES = 4
SIGN = "✓✕●↻○↩"

NARROW = frozenset("ijlft|!'.,:;()[]{}/\\ -`I")
BROAD = frozenset("mwMWOQ@%")


@dataclass(frozen=True)
class Mark:
    """How one state of an execution is marked: a CSS class, a note below its name, and whether it may be folded."""

    css_class: str = ""
    note: str = ""
    due: int | None = None
    """When the note's last word, a countdown, is over, in milliseconds since 1970."""
    folded: bool = False


@dataclass(frozen=True)
class Box:
    """A state in its place. The note's lines stand below those of the name."""

    name: str
    x: float
    y: float
    width: float
    height: float
    label: Sequence[str]
    note: Sequence[str]
    mark: Mark
    container: bool = False


@dataclass(frozen=True)
class Line:
    """A transition in its place: the corners from its source to its target."""

    transition: Transition
    points: Sequence[tuple[float, float]]

    def moved(self, right: float, down: float) -> "Line":
        """Return it moved."""
        return replace(self, points=[(x + right, y + down) for x, y in self.points])


@dataclass(frozen=True)
class Wanted:
    """What is to be placed: a size, and boxes and lines from its own left upper corner."""

    name: str
    width: float
    height: float
    boxes: Sequence[Box] = ()
    lines: Sequence[Line] = field(default_factory=tuple)


def text_width(text: str, size: float) -> float:
    """Return a width in pixels that the text does not exceed in DejaVu Sans, the broadest font of the page's list."""
    return size * sum(map(_ems, text))


def _ems(character: str) -> float:
    if character in NARROW:
        return 0.42
    if character in BROAD:
        return 1.0
    if character.isascii():
        return 0.8 if character.isupper() else 0.86 if character in "+<=>~#&$^" else 0.66
    return 0.9 if character in SIGN else 1.4


def printable(text: str) -> str:
    """Return a text as it can stand in XML on one line: what is not printable is a space."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(character if character.isprintable() and _is_drawn(character) else " " for character in text)


def _is_drawn(character: str) -> bool:
    # Marks are stacked without limit, and some signs of the presentation forms are as wide as a sentence.
    return unicodedata.category(character) not in {"Mn", "Me", "Mc"} and not "\ufb50" <= character <= "\ufdff"


@functools.lru_cache(2048)
def wrapped(text: str, size: float, width: float) -> Sequence[str]:
    """Return the text in at most four lines of this width; an ellipsis stands for the rest."""
    lines, line = list[str](), ""
    for whole in printable(text).split():
        word = whole
        while word:
            candidate = f"{line} {word}" if line else word
            if text_width(candidate, size) <= width:
                line, word = candidate, ""
            elif line:
                lines, line = [*lines, line], ""
            else:
                fits = next(n for n in range(len(word), 0, -1) if n == 1 or text_width(word[:n], size) <= width)
                lines, word = [*lines, word[:fits]], word[fits:]
        if len(lines) > MOST_LINES:
            break
    lines = [*lines, line] if line else lines
    if len(lines) <= MOST_LINES:
        return lines
    last = lines[MOST_LINES - 1]
    while text_width(f"{last}…", size) > width:
        last = last[:-1]
    return [*lines[: MOST_LINES - 1], f"{last}…"]


def box_of(name: str, label: str, mark: Mark, width: float) -> Wanted:
    """Return a state's box, as high as its texts are."""
    lines = wrapped(label, NAME_SIZE, width - 2 * INSET) or [" "]
    note = wrapped(mark.note, NOTE_SIZE, width - 2 * INSET)
    height = 2 * INSET + LINE_HEIGHT * (len(lines) + len(note))
    return Wanted(name, width, height, [Box(name, 0, 0, width, height, lines, note, mark)])


def container_of(name: str, mark: Mark, rows: Sequence[Sequence[Wanted]], least: float) -> Wanted:
    """Return a Parallel's box around its branches, which stand in rows from left to right."""
    gap = 2 * INSET - 4
    width = max(least, *(sum(one.width for one in row) + gap * (len(row) + 1) for row in rows))
    head = box_of(name, name, mark, width).boxes[0]
    boxes, lines, below = list[Box](), list[Line](), head.height
    for row in rows:
        right = (width - sum(one.width for one in row) - gap * (len(row) - 1)) / 2
        for one in row:
            boxes += [replace(box, x=box.x + right, y=box.y + below) for box in one.boxes]
            lines += [line.moved(right, below) for line in one.lines]
            right += one.width + gap
        below += max(one.height for one in row) + gap
    return Wanted(name, width, below, [replace(head, height=below, container=True), *boxes], lines)
