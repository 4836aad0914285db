"""Read template.yaml: the one list of functions, their environment, and the state machines that invoke them."""

import json
import re
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from local import repository

REPOSITORY = repository.ROOT
PSEUDO_PARAMETERS = {"AWS::Partition": "aws", "AWS::StackName": "laptop"}
"""Values that CloudFormation itself provides."""

PLACEHOLDER = re.compile(r"\$\{([^}!][^}]*)\}")


class TemplateError(Exception):
    """The template, or a state machine that it names, contains something that the laptop stack does not support."""


@dataclass(frozen=True)
class Function:
    """One Lambda function: its resource name, its handler, and its limits."""

    resource: str
    handler: str
    timeout_seconds: int
    memory_megabytes: int


@dataclass(frozen=True)
class StateMachine:
    """One state machine: its resource name, its own name, and the file with its definition."""

    resource: str
    name: str
    file: Path
    substitutions: Mapping[str, str]
    """Placeholder in the definition → function whose ARN fills it."""
    texts: Mapping[str, str]
    """Placeholder in the definition → text that fills it."""

    def definition(self, arns: Mapping[str, str]) -> str:
        """Return the definition as JSON, each placeholder replaced by the ARN of its function, or by its text.

        Raise TemplateError for a placeholder without a substitution.
        """
        text = json.dumps(yaml.load(self.file.read_text(), Loader=yaml.CSafeLoader))
        filled = {**self.texts, **{name: arns[resource] for name, resource in self.substitutions.items()}}
        if missing := sorted({name for name in PLACEHOLDER.findall(text) if name not in filled}):
            raise TemplateError(f"{self.file.name} needs a substitution for {missing[0]}")
        return PLACEHOLDER.sub(lambda found: filled[found[1]], text)


@dataclass(frozen=True)
class Template:
    """The parts of template.yaml that the laptop stack needs."""

    directory: Path
    code: Path
    functions: tuple[Function, ...]
    state_machines: tuple[StateMachine, ...]
    """In the template's order, at least one."""
    _parameters: Mapping[str, Any]
    _environment: Mapping[str, Any]

    def environment(self, parameters: Mapping[str, str]) -> dict[str, str]:
        """Return Globals.Function.Environment with the given parameters (or resources), else their defaults, else "".

        Raise TemplateError for a parameter that the template does not have: it would silently change nothing.
        """
        known = set(self._parameters) | _references(self._environment)
        if unknown := sorted(set(parameters) - known):
            raise TemplateError(f"the template has no parameter {unknown[0]}")
        values = PSEUDO_PARAMETERS | _defaults(self._parameters) | dict(parameters)
        return {name: _resolve(value, values) for name, value in self._environment.items()}


class _Loader(yaml.CSafeLoader):
    """Expand CloudFormation's short forms, as the service itself does."""


def _short_form(loader: _Loader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    value: Any
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
        if suffix == "GetAtt":
            value = str(value).split(".", 1)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        value = loader.construct_mapping(node, deep=True)  # type: ignore[arg-type]
    return {suffix if suffix in {"Ref", "Condition"} else f"Fn::{suffix}": value}


_Loader.add_multi_constructor("!", _short_form)


def read_document(path: Path) -> dict[str, Any]:
    """Read a CloudFormation template with its short forms (!Ref) expanded ({"Ref": ...})."""
    document: dict[str, Any] = yaml.load(path.read_text(), Loader=_Loader)  # noqa: S506 (a subclass of the safe loader)
    return document


def read_template(path: Path = REPOSITORY / "template.yaml") -> Template:
    """Read a SAM template. Raise TemplateError if it has no state machine or is not supported."""
    document = read_document(path)
    defaults = document.get("Globals", {}).get("Function", {})
    parameters = document.get("Parameters", {})
    values = PSEUDO_PARAMETERS | _defaults(parameters)
    functions = tuple(
        _function(name, {**defaults, **properties}, values)
        for name, properties in _resources(document, "AWS::Serverless::Function")
    )
    machines = tuple(
        _state_machine(path.parent, name, properties, {function.resource for function in functions}, values)
        for name, properties in _resources(document, "AWS::StepFunctions::StateMachine")
    )
    if not machines:
        raise TemplateError(f"{path.name} has no state machine")
    return Template(
        directory=path.parent,
        code=path.parent / defaults.get("CodeUri", "functions/"),
        functions=functions,
        state_machines=machines,
        _parameters=parameters,
        _environment=defaults.get("Environment", {}).get("Variables", {}),
    )


def _resources(document: Mapping[str, Any], kind: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, declared in document["Resources"].items():
        if declared["Type"] == kind:
            yield name, declared["Properties"]


def _function(resource: str, properties: Mapping[str, Any], values: Mapping[str, str]) -> Function:
    return Function(
        resource=resource,
        handler=properties["Handler"],
        timeout_seconds=int(_resolve(properties.get("Timeout", 3), values)),
        memory_megabytes=int(_resolve(properties.get("MemorySize", 128), values)),
    )


def _state_machine(
    directory: Path, resource: str, properties: Mapping[str, Any], functions: Set[str], values: Mapping[str, str]
) -> StateMachine:
    substitutions = properties.get("DefinitionSubstitutions", {})
    invoked = {
        name: found
        for name, value in substitutions.items()
        if (found := _resource(value)) is not None and found in functions
    }
    return StateMachine(
        resource=resource,
        # CloudFormation generates a name if the template gives none.
        name=_resolve(properties.get("StateMachineName", resource), values),
        file=directory / properties["DefinitionS3Location"],
        substitutions=invoked,
        texts={name: _text(value, values) for name, value in substitutions.items() if name not in invoked},
    )


def _defaults(parameters: Mapping[str, Any]) -> dict[str, str]:
    return {name: str(declared.get("Default", "")) for name, declared in parameters.items()}


def _resource(value: Any) -> str | None:
    match value:
        case {"Fn::GetAtt": [str(resource), "Arn"]} | {"Ref": str(resource)}:
            # Here the published version of a function is the function itself.
            return resource.removesuffix(".Version")
    return None


def _text(value: Any, values: Mapping[str, str]) -> str:
    if unknown := sorted(_references(value) - set(values)):
        raise TemplateError(f"a substitution must be a function's Arn or version, or known here, not {unknown[0]}")
    return _resolve(value, values)


def _resolve(value: Any, values: Mapping[str, str]) -> str:
    match value:
        case {"Ref": str(name)} | {"Fn::GetAtt": [str(name), *_]}:
            return values.get(name, "")
        case {"Fn::Sub": str(text)}:
            return PLACEHOLDER.sub(lambda found: values.get(found[1].split(".")[0], ""), text)
        case {**other} if other:
            raise TemplateError(f"the laptop stack does not know {next(iter(other))}")
        case bool():
            return str(value).lower()
    return str(value)


def _references(value: Any) -> set[str]:
    match value:
        case {"Ref": str(name)} | {"Fn::GetAtt": [str(name), *_]}:
            return {name}
        case {"Fn::Sub": str(text)}:
            return {name.split(".")[0] for name in PLACEHOLDER.findall(text)}
        case {**members}:
            return {name for member in members.values() for name in _references(member)}
    return set()
