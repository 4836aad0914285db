"""A copy of the tree in which a recipe's change is made, and the commands that run in it."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from local.template import REPOSITORY

NEITHER = ("AWS_", "PYTEST_", "COVERAGE_", "PROVISIONER_")
"""The prefixes of the outer run's settings."""


class Tree(NamedTuple):
    """A tree of sources: the repository, or a copy of its files in git."""

    root: Path

    def read(self, path: str) -> str:
        """Return the text of a file."""
        return (self.root / path).read_text()

    def write(self, path: str, text: str) -> None:
        """Write a file, and make its folder."""
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def replace(self, path: str, old: str, new: str) -> None:
        """Replace every occurrence of a text in a file. Raise ValueError if there is none."""
        text = self.read(path)
        if old not in text:
            raise ValueError(f"{path} has no {old!r}")
        self.write(path, text.replace(old, new))

    def changed(self) -> set[str]:
        """Return the files that differ from the repository's, new ones included."""
        return {
            str(file.relative_to(self.root))
            for file in self.root.rglob("*")
            if file.is_file() and ".venv" not in file.parts[len(self.root.parts)]
            if not (original := REPOSITORY / file.relative_to(self.root)).is_file()
            or original.read_bytes() != file.read_bytes()
        }

    def test(self, *arguments: str) -> str:
        """Run tests of this tree and return pytest's output. Raise AssertionError with it if one fails."""
        temporary = self.root.with_name(f"{self.root.name}-run")
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--basetemp={temporary}"]
        return self._run([*command, *arguments])

    def check_style(self, *files: str) -> None:
        """Raise AssertionError if ruff would change Python files of this tree, or refuses them."""
        python = [file for file in files if file.endswith(".py")]
        for command in (["check", "--no-cache"], ["format", "--check", "--no-cache"]):
            self._run([sys.executable, "-m", "ruff", *command, *python])

    def write_permissions(self) -> None:
        """Write the table of docs/permissions.md, as the recipes say."""
        self._run([sys.executable, "-B", "-m", "tests.permission_table"])

    def write_api_document(self) -> None:
        """Write docs/openapi.json, as the recipe says."""
        self._run([sys.executable, "-B", "-m", "tests.api.document"])

    def run(self, program: str, *arguments: object) -> Any:
        """Run a program with this tree's code and return the last line that it printed, which is JSON."""
        return json.loads(self._run([sys.executable, "-c", program, *map(str, arguments)]).splitlines()[-1])

    def _run(self, command: list[str]) -> str:
        done = subprocess.run(
            command, cwd=self.root, env=self._environment(), capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{done.stdout[-8000:]}{done.stderr[-4000:]}"
        return done.stdout

    def _environment(self) -> Mapping[str, str]:
        own = {name: value for name, value in os.environ.items() if not name.startswith(NEITHER)}
        return own | {"PYTHONPATH": os.pathsep.join([str(self.root / "functions"), str(self.root)])}


THIS_TREE = Tree(REPOSITORY)


def copied(directory: Path) -> Tree:
    """Return a copy of the repository's files in git, with its own Python environments."""
    tree = Tree(directory / "tree")
    for path in _kept():
        if (original := REPOSITORY / path).is_file():
            (copy := tree.root / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(original, copy)
    # SAM's own Python, which transforms the template.
    (tree.root / ".venv-sam").symlink_to((REPOSITORY / ".venv-sam").resolve())
    return tree


def _kept() -> Iterator[str]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    yield from (path for path in listed.stdout.split("\0") if path)
