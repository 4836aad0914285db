"""CONTRIBUTING.md as its tests take it: of each recipe the files that it names, and what must pass."""

import re
from collections.abc import Mapping
from typing import NamedTuple

from local.template import REPOSITORY

PAGE = (REPOSITORY / "CONTRIBUTING.md").read_text()
PLACEHOLDER = re.compile("[A-Z]{4,}")


class Recipe(NamedTuple):
    """The files of a recipe and the tests of its command, in order, with the names that capitals stand for."""

    files: list[str]
    tests: list[str]


def section(title: str) -> str:
    """The text of a section."""
    (found,) = re.findall(rf"^## {title}\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    return str(found)


def titles() -> list[str]:
    """The titles of all recipes."""
    return re.findall(r"^## (Add .*)$", PAGE, re.MULTILINE)


def recipe(title: str, names: Mapping[str, str]) -> Recipe:
    """A recipe for the given names."""
    text = section(title)
    files = re.findall(r"^- `([^`]+)`: ", text, re.MULTILINE)
    commands = re.findall(r"^\$ \.venv/bin/pytest (.*)$", text, re.MULTILINE)
    tests = [path for command in commands for path in command.split()]
    return Recipe([filled(file, names) for file in files], [filled(path, names) for path in tests])


def filled(path: str, names: Mapping[str, str]) -> str:
    """A path with every placeholder replaced. Raise KeyError for one without a name."""
    return PLACEHOLDER.sub(lambda found: names[found[0]], path)
