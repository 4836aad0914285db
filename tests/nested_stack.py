"""A template and the stack that it nests, read as one template: each reference between the two is followed."""

from collections.abc import Mapping
from typing import Any

from local.template import PLACEHOLDER

Node = dict[str, Any]


def read_as_one(outer: Node, inner: Node, stack: str) -> Node:
    """Return the outer template with the resources and conditions of the inner one in the place of its stack.

    Raise ValueError when the two share a name, or when what the stack is given is not what the inner template takes.
    """
    resources = dict(outer["Resources"])
    given = resources.pop(stack)["Properties"]["Parameters"]
    if given.keys() != inner["Parameters"].keys():
        raise ValueError(f"{stack} is not given {sorted(given.keys() ^ inner['Parameters'].keys())}")
    sections = {"Resources": resources, "Conditions": outer["Conditions"]}
    for section, own in sections.items():
        if shared := own.keys() & inner[section].keys():
            raise ValueError(f"both templates have {sorted(shared)}")
    outputs = {f"Outputs.{name}": _with_parameters(output["Value"], given) for name, output in inner["Outputs"].items()}
    kept = {**outer, "Resources": resources}
    followed: Node = _with_outputs(kept, stack, outputs)
    for section in sections:
        followed[section] = {**followed[section], **_with_parameters(inner[section], given)}
    return followed


def _with_outputs(value: Any, stack: str, outputs: Mapping[str, Any]) -> Any:
    """Return a value of the outer template with what the inner one tells it."""
    match value:
        case {"Fn::GetAtt": [str(resource), str(output)]} if resource == stack:
            return outputs[output]
        case {**members}:
            return {name: _with_outputs(member, stack, outputs) for name, member in members.items()}
        case [*items]:
            return [_with_outputs(item, stack, outputs) for item in items]
    return value


def _with_parameters(value: Any, given: Mapping[str, Any]) -> Any:
    """Return a value of the inner template with what the outer one gives it."""
    if (of_list := _of_list(value, given)) is not None:
        return of_list
    match value:
        case {"Ref": str(name)} if name in given:
            return given[name]
        case {"Fn::Sub": [str(text), {**own}]}:
            return _with_parameters({"Fn::Sub": text}, {**given, **_with_parameters(own, given)})
        case {"Fn::Sub": str(text)}:
            return {"Fn::Sub": PLACEHOLDER.sub(lambda found: _text(given.get(found[1], found[0])), text)}
        case {**members}:
            return {name: _with_parameters(member, given) for name, member in members.items()}
    return [_with_parameters(item, given) for item in value] if isinstance(value, list) else value


def _of_list(value: Any, given: Mapping[str, Any]) -> Any:
    """Return what is made of a list that the outer template gives, or None for anything else."""
    match value:
        case {"Fn::Select": [number, {"Ref": str(name)}]} if name in given:
            return _listed(given[name])[int(number)]
        case {"Fn::Join": [str(separator), {"Ref": str(name)}]} if name in given:
            return separator.join(_text(item) for item in _listed(given[name]))
    return None


def _listed(value: Any) -> list[Any]:
    """Return the items of a list that is given as a text with commas."""
    match value:
        case {"Fn::Join": [",", [*items]]}:
            return items
    raise ValueError(f"{value} is no list")


def _text(value: Any) -> str:
    """Return a reference as Fn::Sub has it in a text."""
    match value:
        case {"Ref": str(name)}:
            return f"${{{name}}}"
        case {"Fn::GetAtt": [str(resource), str(attribute)]}:
            return f"${{{resource}.{attribute}}}"
        case str(text):
            return text
    raise ValueError(f"{value} has no place in a text")
