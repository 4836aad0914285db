"""The table of docs/permissions.md: who may do what on what. `.venv/bin/python -m tests.permission_table` writes it."""

import re
from collections.abc import Iterator
from typing import Any

from tests import shipped
from tests.grants import RESOURCES, documents, written

PAGE = shipped.ROOT / "docs" / "permissions.md"
BEGIN, END = "<!-- template.yaml, by python -m tests.permission_table -->", "<!-- end of template.yaml -->"


def table() -> str:
    """Return the table: a row for each statement of each role, those of managed policies once, under their own name."""
    rows = ["| who | may | on |", "|---|---|---|"]
    for name, found in RESOURCES.items():
        if found["Type"] in ("AWS::IAM::Role", "AWS::IAM::ManagedPolicy", "AWS::IAM::Policy"):
            rows += [f"| {_who(name, found)} | {may} | {on} |" for may, on in _statements(found)]
            if attached := _attached(found):
                rows.append(f"| {name} | what is allowed by {', '.join(attached)} | |")
    return "\n".join(rows)


def _who(name: str, found: dict[str, Any]) -> str:
    roles = [role["Ref"] for role in found["Properties"].get("Roles", [])]
    return f"{name}, of {', '.join(roles)}" if roles else name


def _attached(found: dict[str, Any]) -> list[str]:
    """The managed policies of a role; a condition that one is under is named."""
    return [
        policy["Ref"] if "Ref" in policy else f"{policy['Fn::If'][1]['Ref']} if {policy['Fn::If'][0]}"
        for policy in found["Properties"].get("ManagedPolicyArns", [])
    ]


def _statements(found: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for document in documents(found):
        for statement in shipped.statements(document):
            if "Resource" in statement:
                deny = "**not** " if statement["Effect"] == "Deny" else ""
                actions = ", ".join(f"`{action}`" for action in shipped.listed(statement["Action"]))
                condition = ", under a condition" if "Condition" in statement else ""
                yield f"{deny}{actions}", ", ".join(map(_on, shipped.listed(statement["Resource"]))) + condition


def _on(resource: Any) -> str:
    match resource:
        case "*":
            return "everything"
        case {"Ref": str(name)}:
            return name
        case {"Fn::GetAtt": [str(name), *_]}:
            return name
    text = re.sub(r"\$\{([^}]+)\}", lambda found: found[1], written(resource))
    return f"`{text}`"


def page_with(text: str) -> str:
    """Return the page with this table."""
    before, _, rest = PAGE.read_text().partition(BEGIN)
    return f"{before}{BEGIN}\n\n{text}\n\n{END}{rest.partition(END)[2]}"


if __name__ == "__main__":
    PAGE.write_text(page_with(table()))
