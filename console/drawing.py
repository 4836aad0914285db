"""Draw a state machine as SVG, from its definition and the marks of one execution only."""

from collections.abc import Collection, Iterator, Mapping
from html import escape

from console.boxes import INSET, LINE_HEIGHT, NAME_SIZE, NOTE_SIZE, Box, Line, Mark, printable
from console.definition import Document, Machine, Transition, Way, read_definition
from console.layout import OTHERS, Layout, lay_out

WIDE, NARROW = 696, 330
"""The widths of the two drawings, in pixels: on a laptop's screen and on a phone's. The style sheet chooses one."""


def drawing(
    definition: Document, marks: Mapping[str, Mark] | None = None, taken: Collection[Transition] = (), chosen: str = ""
) -> str:
    """Return the drawing of a definition as markup, the same for the same arguments: for wide and for narrow screens.

    A state machine of a shape that is not known is a plain list of its states. Everything from outside is escaped.
    Raise KeyError if the definition is not in the States Language.
    """
    machine, marks = read_definition(definition), marks or {}
    parts = list[str]()
    for css_class, room in (("wide", WIDE), ("narrow", NARROW)):
        layout = lay_out(machine, marks, room=room, beside=css_class == "wide")
        if layout is None:
            return "".join(_list(machine, marks, chosen))
        parts += _svg(layout, css_class, marks, taken, chosen)
    return "".join(parts)


def _svg(
    layout: Layout, css_class: str, marks: Mapping[str, Mark], taken: Collection[Transition], chosen: str
) -> Iterator[str]:
    width, height = _number(layout.width), _number(layout.height)
    yield f'<svg class="{css_class}" width="{width}" height="{height}" role="group" aria-label="State machine">'
    yield _lane(layout, marks)
    names = [box.name for box in layout.boxes]
    first = chosen if chosen in names else names[0]
    drawn = {box.name: _box(box, is_chosen=box.name == chosen, is_first=box.name == first) for box in layout.boxes}
    # A Parallel's box lies below the lines in it.
    for box in layout.boxes:
        yield from drawn[box.name] if box.container else ()
    # What was taken is drawn last, above the others.
    for line in sorted(layout.lines, key=lambda line: line.transition in taken):
        yield from _line(line, line.transition in taken)
    for box in layout.boxes:
        yield from () if box.container else drawn[box.name]
    yield "</svg>"


def _lane(layout: Layout, marks: Mapping[str, Mark]) -> str:
    boxes = [box for box in layout.boxes if box.name in layout.lane]
    if not boxes:
        return ""
    idle = {"", "waiting", "skipped", "folded"}
    entered = any(marks.get(name, Mark()).css_class not in idle for name in layout.lane)
    x, y = min(box.x for box in boxes) - INSET, boxes[0].y - INSET
    width, height = max(box.width for box in boxes) + 2 * INSET, boxes[-1].y + boxes[-1].height + INSET - y
    return f'<rect class="lane{" entered" if entered else ""}" {_place(x, y, width, height)} rx="10"/>'


def _line(line: Line, taken: bool) -> Iterator[str]:
    transition, points = line.transition, line.points
    classes = "way" + " catch" * (transition.way is Way.CATCH) + " taken" * taken
    path = "L".join(f"{_number(x)} {_number(y)}" for x, y in points)
    (x0, y0), (x, y) = points[-2:]
    # The head of an arrow that leads down, left or right.
    head = "l-4-7h8z" if y0 < y and x0 == x else "l7-4v8z" if x0 > x else "l-7-4v8z"
    about = f"{transition.source} → {transition.target}" + (f", if {transition.label}" if transition.label else "")
    yield f'<g class="{classes}"><title>{_text(about)}</title><path d="M{path}"/>'
    yield f'<path class="head" d="M{_number(x)} {_number(y)}{head}"/></g>'


def _box(box: Box, *, is_chosen: bool, is_first: bool) -> Iterator[str]:
    others = box.name == OTHERS
    name, event = ("others" if others else f"drawn-{box.name}"), ("unfold" if others else "state")
    classes = "box " + box.mark.css_class + " container" * box.container + " chosen" * is_chosen
    said = ", ".join(filter(None, [" ".join(box.label) if others else box.name, _spoken(box.mark)]))
    yield (
        f'<g class="{_text(classes)}" role="button" tabindex="{0 if is_first else -1}" aria-label="{_text(said)}"'
        f' aria-pressed="{str(is_chosen).lower()}" data-key="{escape(name)}"'
        f' data-emit="{event}" data-value="{"" if others else escape(box.name)}">'
        f'<rect {_place(box.x, box.y, box.width, box.height)} rx="6"/>'
    )
    content = LINE_HEIGHT * (len(box.label) + len(box.note))
    baseline = box.y + LINE_HEIGHT * 0.8 + (INSET if box.container else (box.height - content) / 2)
    x = _number(box.x + box.width / 2)
    for number, line in enumerate([*box.label, *box.note]):
        is_note = number >= len(box.label)
        size, css_class = (NOTE_SIZE, ' class="note"') if is_note else (NAME_SIZE, "")
        last = number == len(box.label) + len(box.note) - 1
        written = _counting(line, box.mark.due) if is_note and last and box.mark.due else _text(line)
        y = _number(baseline + number * LINE_HEIGHT)
        # The space separates the lines for whoever reads or copies the text.
        yield f' <text x="{x}" y="{y}" font-size="{size}"{css_class}>{written}</text>'
    yield "</g>"


def _spoken(mark: Mark) -> str:
    """Return the note for a screen reader: without its sign, and without the countdown, which would not keep still."""
    words = mark.note.split(" ")
    words = words[1:] if len(words) > 1 and not words[0].isascii() else words
    return " ".join(words).partition(", next")[0]


def _counting(line: str, due: int) -> str:
    before, space, last = line.rpartition(" ")
    return f'{_text(before)}{space}<tspan data-due="{due}">{_text(last)}</tspan>'


def _list(machine: Machine, marks: Mapping[str, Mark], chosen: str) -> Iterator[str]:
    """Yield a plain list, each state with what it leads to, and those inside a state below it."""
    yield '<ul class="states" aria-label="State machine">'
    for state in machine.states.values():
        mark, name = marks.get(state.name, Mark()), escape(state.name)
        pressed = str(state.name == chosen).lower()
        yield (
            f'<li><button type="button" class="box {_text(mark.css_class)}" data-key="drawn-{name}" data-emit="state"'
            f' data-value="{name}" aria-pressed="{pressed}">{_text(state.name)}'
            f' <span class="note">{_note(mark)}</span></button>'
        )
        ways = [one.target + (f" if {one.label}" if one.label else "") for one in state.transitions]
        if ways:
            yield f' <span class="quiet">→ {_text(", ".join(ways))}</span>'
        for inner in state.inner:
            yield from _list(inner, marks, chosen)
        yield "</li>"
    yield "</ul>"


def _note(mark: Mark) -> str:
    return _counting(printable(mark.note), mark.due).replace("tspan", "span") if mark.due else _text(mark.note)


def _place(x: float, y: float, width: float, height: float) -> str:
    return " ".join(
        f'{name}="{_number(value)}"'
        for name, value in zip(("x", "y", "width", "height"), (x, y, width, height), strict=True)
    )


def _number(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


def _text(text: str) -> str:
    return escape(printable(text))
