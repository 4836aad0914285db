"""Draws a state machine in Mermaid's language, from its definition and from nothing else."""

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
"""A Task, and whatever is not named here, is a rectangle with round corners."""

ARROWS = {Way.NEXT: "-->", Way.CHOICE: "-->", Way.CATCH: "-.->"}
TAKEN_CLASS = "taken"
ENTITIES = str.maketrans(
    {"#": "#35;", '"': "#quot;", "<": "#lt;", ">": "#gt;", "&": "#amp;", "`": "#96;", "\\": "#92;"}
)
"""Mermaid's own escapes: what a state is called can never end its label."""


@dataclass(frozen=True)
class Mark:
    """What is written and shown of one state in an execution: a CSS class, and a note below its name."""

    css_class: str
    note: str = ""


def mermaid(definition: Document, marks: Mapping[str, Mark] | None = None, taken: Collection[Transition] = ()) -> str:
    """Return the picture of a definition as Mermaid's text, the same text for the same arguments.

    States stand under their names, the branches of a Parallel side by side, catches dashed. With marks, states carry
    these classes and notes, and the transitions taken the class "taken". Raises KeyError where the definition is not
    in the States Language.
    """
    return "\n".join(["flowchart TB", *_Picture(read_definition(definition), marks or {}, taken).lines()]) + "\n"


def node_ids(definition: Document) -> dict[str, str]:
    """Return the id that each state's node has in the picture, by the state's name."""
    return _ids(read_definition(definition))


def taken_edges(definition: Document, taken: Collection[Transition]) -> list[str]:
    """Return the ids that the arrows of these transitions have in a picture with marks."""
    return list(_Picture(read_definition(definition), {}, taken).taken_edges())


def _ids(machine: Machine) -> dict[str, str]:
    # Numbers, because a name may be a word of Mermaid's, and two names may differ in punctuation alone.
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
        # One line: what is inside covers a second.
        yield f'{indent}subgraph {node}["{self._label(state, " · ")}"]'
        # A box that does not say its direction lies across that of the box around it.
        yield f"{indent}{INDENT}direction TB"
        # Mermaid lays boxes that nothing connects out from the right to the left.
        for number, machine in reversed(list(enumerate(state.inner, 1))):
            yield f'{indent}{INDENT}subgraph {node}b{number}[" "]'
            yield f"{indent}{2 * INDENT}direction TB"
            for inner in machine.states.values():
                yield from self._draw(inner, indent + 2 * INDENT)
            yield from self._arrows(machine, indent + 2 * INDENT)
            yield f"{indent}{INDENT}end"
        yield f"{indent}end"

    def _arrows(self, machine: Machine, indent: str) -> Iterator[str]:
        """The arrows of one level: one that stood outside its box would pull the box's states apart."""
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
