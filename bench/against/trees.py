"""The two trees: the work tree, and a git worktree of a commit, each measured in a process of its own."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO, cast

from local.template import REPOSITORY

DRIVER = Path(__file__).with_name("driver.py")
SHIPPED = "functions/requirements.txt"

Figures = dict[str, float]


@dataclass(frozen=True)
class Tree:
    """A checkout and the interpreter that runs it."""

    name: str
    directory: Path
    python: Path

    @contextmanager
    def running(self, directory: Path, *options: str) -> Iterator["Run"]:
        """Start the driver in this tree with its databases in that directory, and end it afterwards."""
        path = os.pathsep.join(str(folder) for folder in (self.directory / "functions", self.directory))
        # -P: the folder of the driver is not of the tree, and stays off the path.
        command = [str(self.python), "-P", str(DRIVER), "--directory", str(directory), *options]
        with subprocess.Popen(  # noqa: S603 (our own)
            command,
            cwd=self.directory,
            env=os.environ | {"PYTHONPATH": path},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as process:
            try:
                yield Run(self.name, process)
            except BaseException:
                process.terminate()
                raise
            finally:
                # It stops its servers before it exits, and is waited for even by who is interrupted.
                process.wait()


class Run:
    """A driver at work."""

    def __init__(self, tree: str, process: "subprocess.Popen[str]") -> None:
        self._tree = tree
        self._input, self._output = cast("TextIO", process.stdin), cast("TextIO", process.stdout)
        self._next()

    def turn(self) -> Figures | None:
        """Let the driver take its turn, and return what it measured, or None at its end. Raises SystemExit."""
        self._input.write("\n")
        self._input.flush()
        return self._next()

    def _next(self) -> Figures | None:
        line = self._output.readline()
        if not line:
            raise SystemExit(f"The run of {self._tree} failed.")
        found: Figures | None = json.loads(line)
        return found


def work_tree() -> Tree:
    """Return the tree of this file, with what is not committed."""
    return Tree("work tree", REPOSITORY, Path(sys.executable))


@contextmanager
def tree_of(commit: str) -> Iterator[Tree]:
    """Check the commit out beside the repository, and remove the checkout afterwards.

    It shares this interpreter's packages, the stack's among them, while both trees ship the same ones; otherwise it
    gets a venv of its own.
    """
    found = _git("rev-parse", "--verify", "--end-of-options", f"{commit}^{{commit}}")
    with tempfile.TemporaryDirectory(prefix="bench-tree-") as temporary:
        directory = Path(temporary).resolve() / "tree"
        _git("worktree", "add", "--quiet", "--detach", str(directory), found)
        try:
            yield Tree(_git("rev-parse", "--short", found), directory, _python(directory))
        finally:
            _git("worktree", "remove", "--force", str(directory))


def _python(directory: Path) -> Path:
    if (directory / SHIPPED).read_bytes() == (REPOSITORY / SHIPPED).read_bytes():
        return Path(sys.executable)
    subprocess.run(["make", "-C", str(directory), ".venv/installed"], check=True)  # noqa: S603, S607 (our own)
    return directory / ".venv" / "bin" / "python"


def _git(*arguments: str) -> str:
    answer = subprocess.run(["git", *arguments], check=False, cwd=REPOSITORY, capture_output=True, text=True)  # noqa: S603, S607
    if answer.returncode:
        raise SystemExit(f"git {' '.join(arguments)}: {answer.stderr.strip()}")
    return answer.stdout.strip()
