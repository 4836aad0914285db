"""The two trees: the work tree, and a git worktree of a commit, each measured in a process of its own."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from local.template import REPOSITORY

DRIVER = Path(__file__).with_name("driver.py")
LOCK = "requirements.lock"

Values = dict[str, list[float]]


@dataclass(frozen=True)
class Tree:
    """A checkout and the interpreter that runs it."""

    name: str
    directory: Path
    python: Path

    def measure(self, directory: Path, *options: str) -> Values:
        """Run the driver in this tree with its databases in that directory, and return its figures."""
        output = directory.with_suffix(".json")
        arguments = ["--directory", str(directory), "--output", str(output), *options]
        path = os.pathsep.join(str(folder) for folder in (self.directory / "functions", self.directory))
        # -P: the folder of the driver is not of the tree, and stays off the path.
        command = [str(self.python), "-P", str(DRIVER), *arguments]
        _run_to_its_end(command, self.directory, os.environ | {"PYTHONPATH": path})
        found: Values = json.loads(output.read_text())
        return found


def work_tree() -> Tree:
    """Return the tree of this file, with what is not committed."""
    return Tree("work tree", REPOSITORY, Path(sys.executable))


@contextmanager
def tree_of(commit: str) -> Iterator[Tree]:
    """Check the commit out beside the repository, and remove the checkout afterwards.

    It shares this interpreter's packages while both trees pin the same ones; otherwise it gets a venv of its own.
    """
    found = _git("rev-parse", "--verify", "--end-of-options", f"{commit}^{{commit}}")
    with tempfile.TemporaryDirectory(prefix="bench-tree-") as temporary:
        directory = Path(temporary).resolve() / "tree"
        _git("worktree", "add", "--quiet", "--detach", str(directory), found)
        try:
            yield Tree(_git("rev-parse", "--short", found), directory, _python(directory))
        finally:
            _git("worktree", "remove", "--force", str(directory))


def _run_to_its_end(command: Sequence[str], directory: Path, variables: Mapping[str, str]) -> None:
    """Run a command. Whoever is interrupted meanwhile ends it and waits: it stops its servers before it exits."""
    with subprocess.Popen(command, cwd=directory, env=variables) as process:  # noqa: S603 (our own)
        try:
            code = process.wait()
        except BaseException:
            process.terminate()
            process.wait()
            raise
    if code:
        raise SystemExit(f"The run in {directory} failed with exit status {code}.")


def _python(directory: Path) -> Path:
    if (directory / LOCK).read_bytes() == (REPOSITORY / LOCK).read_bytes():
        return Path(sys.executable)
    subprocess.run(["make", "-C", str(directory), ".venv/installed"], check=True)  # noqa: S603, S607 (our own)
    return directory / ".venv" / "bin" / "python"


def _git(*arguments: str) -> str:
    answer = subprocess.run(["git", *arguments], check=False, cwd=REPOSITORY, capture_output=True, text=True)  # noqa: S603, S607
    if answer.returncode:
        raise SystemExit(f"git {' '.join(arguments)}: {answer.stderr.strip()}")
    return answer.stdout.strip()
