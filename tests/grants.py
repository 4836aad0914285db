"""The grants in the template, as CloudFormation sees them."""

import re
from collections.abc import Iterator
from typing import Any

from tests import shipped

RESOURCES = shipped.transformed()["Resources"]
FUNCTIONS = shipped.functions()
STAGES = {name: found for name, found in FUNCTIONS.items() if found["Handler"].startswith("stages.")}
Grant = tuple[str, str, Any]


def documents(value: Any) -> Iterator[dict[str, Any]]:
    """Yield every policy in a resource, at any depth."""
    if isinstance(value, dict):
        if "Statement" in value:
            yield value
        for inner in value.values():
            yield from documents(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from documents(inner)


def granted() -> Iterator[Grant]:
    """Yield who may do what on which resource. The policy that lets a role be assumed has no resource."""
    for name, resource in RESOURCES.items():
        for document in documents(resource):
            for statement in shipped.statements(document):
                if statement["Effect"] == "Allow" and "Resource" in statement:
                    for action in shipped.listed(statement["Action"]):
                        yield from ((name, action, on) for on in shipped.listed(statement["Resource"]))


def written(resource: Any) -> str:
    """The text of a resource, without the head that all ARNs of this account share."""
    text = resource.get("Fn::Sub", "") if isinstance(resource, dict) else resource
    return re.sub(r"^arn:\$\{AWS::Partition\}:\w+:\$\{AWS::Region\}:\$\{AWS::AccountId\}:", "", text)


def attached(role: str) -> list[str]:
    """The managed policies of a role, each as if its condition holds."""
    policies = RESOURCES[role]["Properties"].get("ManagedPolicyArns", [])
    return [str((one["Fn::If"][1] if "Fn::If" in one else one)["Ref"]) for one in policies]


def role_of(function: dict[str, Any]) -> str:
    name, attribute = function["Role"]["Fn::GetAtt"]
    assert attribute == "Arn"
    return str(name)
