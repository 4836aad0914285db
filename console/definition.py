"""A state machine's definition in the Amazon States Language, as states and the transitions between them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

Document = Mapping[str, Any]


class Way(StrEnum):
    """How one state leads to the next."""

    NEXT = "next"
    CHOICE = "choice"
    CATCH = "catch"


@dataclass(frozen=True)
class Transition:
    """A transition from one state to another. The label says when it is taken; a plain Next has none."""

    source: str
    target: str
    way: Way
    label: str = ""


@dataclass(frozen=True)
class State:
    """One state. A Parallel or Map holds the machines that it runs."""

    name: str
    kind: str
    """Task, Choice, Parallel, Map, Pass, Wait, Succeed or Fail."""
    document: Document
    inner: Sequence["Machine"] = ()
    transitions: Sequence[Transition] = ()


@dataclass(frozen=True)
class Machine:
    """A definition, or one branch of a Parallel. States are in the order of the document."""

    start_at: str
    states: Mapping[str, State] = field(default_factory=dict)

    def every_state(self) -> Iterator[State]:
        """Yield every state, each before the states that it holds. Names are unique in one definition."""
        for state in self.states.values():
            yield state
            for machine in state.inner:
                yield from machine.every_state()


def read_definition(document: Document) -> Machine:
    """Return the machine that a definition describes. Raise KeyError if it is not in the States Language."""
    states = {name: _state(name, state) for name, state in document["States"].items()}
    return Machine(document["StartAt"], states)


def _state(name: str, document: Document) -> State:
    inner = [*document.get("Branches", ())]
    inner += [document[key] for key in ("ItemProcessor", "Iterator") if key in document]
    return State(
        name=name,
        kind=document["Type"],
        document=document,
        inner=tuple(read_definition(machine) for machine in inner),
        transitions=tuple(_transitions(name, document)),
    )


def _transitions(name: str, document: Document) -> Iterator[Transition]:
    for rule in document.get("Choices", ()):
        yield Transition(name, rule["Next"], Way.CHOICE, describe_rule(rule))
    if "Default" in document:
        yield Transition(name, document["Default"], Way.CHOICE, "otherwise")
    if "Next" in document:
        yield Transition(name, document["Next"], Way.NEXT)
    for catcher in document.get("Catch", ()):
        caught = catcher["ErrorEquals"]
        yield Transition(name, catcher["Next"], Way.CATCH, "" if caught == ["States.ALL"] else ", ".join(caught))


def describe_rule(rule: Document) -> str:
    """Return a Choice's rule in readable form: "services.auth is true"."""
    for word in ("And", "Or"):
        if word in rule:
            return f" {word.lower()} ".join(describe_rule(each) for each in rule[word])
    if "Not" in rule:
        return f"not ({describe_rule(rule['Not'])})"
    if "Condition" in rule:
        return str(rule["Condition"]).removeprefix("{%").removesuffix("%}").strip()
    return _describe_comparison(rule)


def _describe_comparison(rule: Document) -> str:
    variable = str(rule["Variable"]).removeprefix("$.")
    operator, value = next(item for item in rule.items() if item[0] not in {"Variable", "Next", "Comment", "Assign"})
    if operator.startswith("Is"):
        return f"{variable} is {'' if value else 'not '}{operator[2:].lower()}"
    if operator == "BooleanEquals":
        return f"{variable} is {str(value).lower()}"
    if operator.removesuffix("Path").endswith("Equals") and "Than" not in operator:
        return f"{variable} is {value}"
    return f"{variable} {operator} {value}"
