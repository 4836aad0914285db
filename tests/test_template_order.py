"""In which order CloudFormation can make the resources of the template."""

import re
from collections.abc import Iterator
from typing import Any

from tests import shipped


def references(value: Any) -> Iterator[str]:
    """The resources that a value names: what CloudFormation makes before the resource that has it."""
    match value:
        case {"Ref": str(name)}:
            yield name
        case {"Fn::GetAtt": [str(name), *_]}:
            yield name
        case {"Fn::GetAtt": str(name)}:
            yield name.partition(".")[0]
        case {"Fn::Sub": str(text)}:
            yield from (name.partition(".")[0] for name in re.findall(r"\$\{([\w.]+)\}", text))
        case {"Fn::Sub": [str(text), {**own}]}:
            yield from references({"Fn::Sub": text})
            yield from references(own)
        case {**members}:
            yield from (name for member in members.values() for name in references(member))
        case [*items]:
            yield from (name for item in items for name in references(item))


def before(resources: dict[str, Any]) -> dict[str, set[str]]:
    """What has to exist before each resource."""
    return {
        name: {*references(found.get("Properties", {})), *shipped.listed(found.get("DependsOn", []))} & set(resources)
        for name, found in resources.items()
    }


def circle(needed: dict[str, set[str]]) -> set[str]:
    """The resources that need each other, or need such resources; none if there is an order."""
    left = dict(needed)
    while ready := [name for name, needs in left.items() if not needs & left.keys()]:
        for name in ready:
            del left[name]
    return set(left)


def test_there_is_an_order_in_which_the_resources_can_be_made() -> None:
    assert circle(before(shipped.transformed()["Resources"])) == set()


def test_the_check_sees_a_role_that_names_what_waits_for_its_function() -> None:
    resources = {
        "Role": {"Properties": {"Resource": {"Fn::Sub": "${Stage.Arn}:*"}}},
        "Step": {"Properties": {"Role": {"Fn::GetAtt": ["Role", "Arn"]}}},
        "Stage": {"DependsOn": "Step"},
        "Other": {"Properties": {"Name": {"Ref": "AWS::StackName"}}},
    }
    assert circle(before(resources)) == {"Role", "Step", "Stage"}
