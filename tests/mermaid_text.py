"""Draw a state machine in Mermaid's language, from its definition only: the picture of docs/architecture.md."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from console.definition import Document, Machine, State, Transition, Way, read_definition

INDENT = "    "
SHAPES = {
    "Choice": ("{{", "}}"),
    "Succeed": ("([", "])"),
    "Fail": ("([", "])"),
    "Pass": ("[/", "/]"),
}
"""A Task, or any type not named here, is a rectangle with round corners."""

ARROWS = {Way.NEXT: "-->", Way.CHOICE: "-->", Way.CATCH: "-.->"}
TAKEN_CLASS = "taken"
ENTITIES = str.maketrans(
    {"#": "#35;", '"': "#quot;", "<": "#lt;", ">": "#gt;", "&": "#amp;", "`": "#96;", "\\": "#92;"}
)
"""Mermaid's own escapes, so that the name of a state can never end its label."""


@dataclass(frozen=True)
class Mark:
    """How one state of an execution is marked: a CSS class, and a note below its name."""

    css_class: str
    note: str = ""


def mermaid(definition: Document, marks: Mapping[str, Mark] | None = None, taken: Collection[Transition] = ()) -> str:
    """Return the graph of a definition as Mermaid text, the same text for the same arguments.

    States stand under their names, the branches of a Parallel side by side, catches dashed. With marks, states have
    these classes and notes, and the transitions taken have the class "taken". Raise KeyError if the definition is not
    in the States Language.
    """
    return "\n".join(["flowchart TB", *_Picture(read_definition(definition), marks or {}, taken).lines()]) + "\n"


def node_ids(definition: Document) -> dict[str, str]:
    """Return the id of each state's node in the graph, by the state's name."""
    return _ids(read_definition(definition))


def taken_edges(definition: Document, taken: Collection[Transition]) -> list[str]:
    """Return the ids of these transitions' arrows in a graph with marks."""
    return list(_Picture(read_definition(definition), {}, taken).taken_edges())


def _ids(machine: Machine) -> dict[str, str]:
    # Numbers, because a name may be a Mermaid keyword, and two names may differ only in punctuation.
    return {state.name: f"s{number}" for number, state in enumerate(machine.every_state(), 1)}


class _Picture:
    def __init__(self, machine: Machine, marks: Mapping[str, Mark], taken: Collection[Transition]) -> None:
        self._machine = machine
        self._marks = marks
        self._taken = taken
        self._ids = _ids(machine)

    def lines(self) -> Iterator[str]:
        for state in self._machine.states.values():
            yield from self._draw(state, INDENT)
        yield from self._arrows(self._machine, INDENT)
        for name, mark in self._marks.items():
            yield f"{INDENT}class {self._ids[name]} {mark.css_class}"
        for edge in self.taken_edges():
            yield f"{INDENT}class {edge} {TAKEN_CLASS}"

    def taken_edges(self) -> Iterator[str]:
        for state in self._machine.every_state():
            yield from (self._edge(transition) for transition in state.transitions if transition in self._taken)

    def _draw(self, state: State, indent: str) -> Iterator[str]:
        node = self._ids[state.name]
        if not state.inner:
            opening, closing = SHAPES.get(state.kind, ("(", ")"))
            yield f'{indent}{node}{opening}"{self._label(state)}"{closing}'
            return
        # One line only: the content would cover a second.
        yield f'{indent}subgraph {node}["{self._label(state, " · ")}"]'
        # Without a direction of its own, a box gets the one across that of its parent.
        yield f"{indent}{INDENT}direction TB"
        # Mermaid places unconnected boxes from right to left.
        for number, machine in reversed(list(enumerate(state.inner, 1))):
            yield f'{indent}{INDENT}subgraph {node}b{number}[" "]'
            yield f"{indent}{2 * INDENT}direction TB"
            for inner in machine.states.values():
                yield from self._draw(inner, indent + 2 * INDENT)
            yield from self._arrows(machine, indent + 2 * INDENT)
            yield f"{indent}{INDENT}end"
        yield f"{indent}end"

    def _arrows(self, machine: Machine, indent: str) -> Iterator[str]:
        """Yield the arrows of one level: an arrow outside its box would pull the box's states apart."""
        for state in machine.states.values():
            for transition in state.transitions:
                name = f"{self._edge(transition)}@" if self._marks else ""
                label = f'|"{_escape(transition.label)}"|' if transition.label else ""
                source, target = self._ids[transition.source], self._ids[transition.target]
                yield f"{indent}{source} {name}{ARROWS[transition.way]}{label} {target}"

    def _edge(self, transition: Transition) -> str:
        source = next(state for state in self._machine.every_state() if state.name == transition.source)
        return f"{self._ids[transition.source]}e{source.transitions.index(transition) + 1}"

    def _label(self, state: State, between: str = "<br/>") -> str:
        name, mark = _escape(state.name), self._marks.get(state.name)
        return f"{name}{between}{_escape(mark.note)}" if mark and mark.note else name


def _escape(text: str) -> str:
    return "".join(character if character.isprintable() else " " for character in text).translate(ENTITIES)
