"""CONTRIBUTING.md for its tests: the files that each recipe names, and the tests that must pass."""

import re
from collections.abc import Mapping
from typing import NamedTuple

from local.template import REPOSITORY

PAGE = (REPOSITORY / "CONTRIBUTING.md").read_text()
PLACEHOLDER = re.compile("[A-Z]{4,}")


class Recipe(NamedTuple):
    """The files of a recipe and the tests of its command, in order, with the placeholders filled in."""

    files: list[str]
    tests: list[str]


def section(title: str) -> str:
    """Return the text of a section."""
    (found,) = re.findall(rf"^## {title}\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    return str(found)


def titles() -> list[str]:
    """Return the titles of all recipes."""
    return re.findall(r"^## (Add .*)$", PAGE, re.MULTILINE)


def recipe(title: str, names: Mapping[str, str]) -> Recipe:
    """Return a recipe for the given names."""
    text = section(title)
    files = re.findall(r"^- `([^`]+)`: ", text, re.MULTILINE)
    commands = re.findall(r"^\$ \.venv/bin/pytest (.*)$", text, re.MULTILINE)
    tests = [path for command in commands for path in command.split()]
    return Recipe([filled(file, names) for file in files], [filled(path, names) for path in tests])


def filled(path: str, names: Mapping[str, str]) -> str:
    """Return a path with every placeholder replaced. Raise KeyError for one without a name."""
    return PLACEHOLDER.sub(lambda found: names[found[0]], path)
