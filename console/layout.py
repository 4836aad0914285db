"""Place a state machine's states and transitions on a plane: a spine from top to bottom, and a lane for the rest."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from graphlib import CycleError, TopologicalSorter

from console.boxes import Box, Line, Mark, Wanted, box_of, container_of
from console.definition import Machine, State
from console.routing import Edge, routed

SPINE_WIDTH, LANE_WIDTH, BRANCH_WIDTH = 176, 128, 102
PADDING = 8
OTHERS = "\0"
"""The name of the box that stands for the folded states. No state's: the States Language forbids it in a name."""


@dataclass(frozen=True)
class Layout:
    """Boxes and lines, in pixels from the left upper corner. A Parallel's box stands before those inside it."""

    width: float
    height: float
    boxes: Sequence[Box]
    lines: Sequence[Line]
    lane: Sequence[str] = ()
    """The states beside the spine, or below it, in their order."""
    folded: Collection[str] = field(default_factory=frozenset)


def lay_out(machine: Machine, marks: Mapping[str, Mark], *, room: float, beside: bool) -> Layout | None:
    """Return the layout of a machine within this width, with the lane beside the spine or below it.

    Return None for a shape that cannot be drawn truthfully: a Map, a loop, or a transition to a state that is missing.
    The width is exceeded only where one branch with its lines is wider. States whose marks say so are folded into one
    box, unless they are on the spine.
    """
    if not _is_drawable(machine):
        return None
    most = max((len(state.inner) for state in machine.every_state()), default=1)
    for across in range(most, 1, -1):
        placed = _place(machine, marks, across, beside=beside)
        if placed.width <= room:
            return placed
    return _place(machine, marks, 1, beside=beside)


def spine_of(machine: Machine) -> list[str]:
    """Return the states from the start to an end, by Next and by the Default of each Choice."""
    spine, name = list[str](), machine.start_at
    while name not in spine:
        spine.append(name)
        document = machine.states[name].document
        rules = [rule["Next"] for rule in document.get("Choices", ())]
        name = document.get("Next") or document.get("Default") or (rules[0] if rules else name)
    return spine


def _is_drawable(machine: Machine) -> bool:
    states = machine.states
    if machine.start_at not in states or OTHERS in states:
        return False
    targets = {name: [one.target for one in state.transitions] for name, state in states.items()}
    if any(target not in states for found in targets.values() for target in found):
        return False
    try:
        TopologicalSorter(targets).prepare()
    except CycleError:
        return False
    return all(
        state.kind != "Map" and (state.kind != "Parallel" or state.inner) and all(map(_is_drawable, state.inner))
        for state in states.values()
    )


def _downwards(machine: Machine, wanted: Collection[str]) -> list[str]:
    """Return the wanted states so that every transition leads downwards, otherwise in the definition's order."""
    left = [name for name in machine.states if name in wanted]
    placed = list[str]()
    while left:
        aimed_at = {one.target for name in left for one in machine.states[name].transitions}
        # The first that no other leads to: there is one, because there is no loop.
        name = next(name for name in left if name not in aimed_at)
        placed.append(name)
        left.remove(name)
    return placed


def _place(machine: Machine, marks: Mapping[str, Mark], across: int, *, beside: bool) -> Layout:
    spine, others, folded = _sorted_out(machine, marks)
    hidden = {*folded, *(name for state in machine.every_state() for name in _folded_inside(state, marks))}
    lane = [*others, OTHERS] if hidden else others
    states: dict[str, Wanted] = {
        name: _wanted(machine.states[name], marks, SPINE_WIDTH if name in spine or not beside else LANE_WIDTH, across)
        for name in [*spine, *others]
    }
    if hidden:
        label = f"{len(hidden)} other {'state' if len(hidden) == 1 else 'states'}"
        states[OTHERS] = box_of(
            OTHERS, label, Mark("folded", "not entered, show"), LANE_WIDTH if beside else SPINE_WIDTH
        )
    columns = [[*spine], [*lane]] if beside and lane else [[*spine, *lane]]
    edges = list(_edges(machine, {*spine, *others}, OTHERS if folded else None))
    width, height, boxes, lines = routed([[states[name] for name in column] for column in columns], edges)
    return Layout(width + 2 * PADDING, height + 2 * PADDING, _moved(boxes), _moved_lines(lines), lane, hidden)


def _sorted_out(machine: Machine, marks: Mapping[str, Mark]) -> tuple[list[str], list[str], set[str]]:
    """Return the spine, the other states to show, and the folded ones."""
    spine = spine_of(machine)
    folded = {name for name in machine.states if name not in spine and marks.get(name, Mark()).folded}
    return spine, _downwards(machine, machine.states.keys() - {*spine} - folded), folded


def _folded_inside(state: State, marks: Mapping[str, Mark]) -> Iterator[str]:
    for branch in state.inner:
        yield from _sorted_out(branch, marks)[2]


def _edges(machine: Machine, shown: Collection[str], others: str | None) -> Iterator[Edge]:
    """Yield each transition between shown states once; of those to folded states, one of a kind from each state."""
    seen = set[object]()
    for name in shown:
        for transition in machine.states[name].transitions:
            target = transition.target if transition.target in shown else others
            key: object = (name, target, transition.way) if target == others else (transition, len(seen))
            if target is not None and key not in seen:
                seen.add(key)
                yield Edge(name, target, transition)


def _wanted(state: State, marks: Mapping[str, Mark], width: float, across: int) -> Wanted:
    mark = marks.get(state.name, Mark())
    if not state.inner:
        return box_of(state.name, state.name, mark, width)
    rows, row = list[list[Wanted]](), list[Wanted]()
    for branch in state.inner:
        row.append(_branch(branch, marks, across))
        if len(row) == across:
            rows, row = [*rows, row], []
    return container_of(state.name, mark, [*rows, row] if row else rows, width)


def _branch(machine: Machine, marks: Mapping[str, Mark], across: int) -> Wanted:
    spine, others, _ = _sorted_out(machine, marks)
    column = [_wanted(machine.states[name], marks, BRANCH_WIDTH, across) for name in [*spine, *others]]
    edges = list(_edges(machine, {*spine, *others}, None))
    width, height, boxes, lines = routed([column], edges)
    return Wanted("", width, height, boxes=boxes, lines=lines)


def _moved(boxes: Sequence[Box]) -> list[Box]:
    return [replace(box, x=box.x + PADDING, y=box.y + PADDING) for box in boxes]


def _moved_lines(lines: Sequence[Line]) -> list[Line]:
    return [line.moved(PADDING, PADDING) for line in lines]
