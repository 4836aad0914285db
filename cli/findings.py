"""The findings of an examination."""

from dataclasses import dataclass

from rich.console import Console

from cli.terminal import typed


@dataclass(frozen=True)
class Finding:
    """One fact about a part of a deployment, with a remedy if something is wrong."""

    subject: str
    fact: str
    remedy: str = ""
    checked: bool = True


def unchecked(subject: str, why: str) -> Finding:
    """Return the finding that something could not be checked."""
    return Finding(subject, why, checked=False)


def print_finding(finding: Finding, console: Console) -> None:
    """Print a finding, and its remedy below it."""
    mark, style = ("fix ", "red") if finding.remedy else ("ok  ", "green") if finding.checked else ("?   ", "yellow")
    console.print(mark, style=style, end="")
    console.print(f"{finding.subject}: {finding.fact}", soft_wrap=True)
    if finding.remedy:
        console.print(f"    {typed(finding.remedy)}", soft_wrap=True)
