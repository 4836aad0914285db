"""The terminal as this command writes to it: what others named is printed, never interpreted."""

import re
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from cli import given

if TYPE_CHECKING:
    from rich.console import Console

WIDTH_OF_A_FILE = 160
COMMAND = re.compile(r"(?<![\w./-])provision (?=[a-z]+)")


def console() -> "Console":
    """Return a console without markup, emoji codes or highlighting, and wide if the output is not a terminal."""
    from rich.console import Console

    width = None if sys.stdout.isatty() else WIDTH_OF_A_FILE
    return Console(emoji=False, markup=False, highlight=False, width=width)


def typed(hint: str) -> str:
    """Return a hint as it can be typed here: with the options that say where this command works, and by the command's
    path, where `provision` is not on the PATH.
    """
    hint = given.repeated(hint)
    if shutil.which("provision"):
        return hint
    return COMMAND.sub(f"{from_here(Path(sys.executable).with_name('provision'))} ", hint)


def sam() -> str:
    """Return how the AWS SAM CLI can be called here: by its name, or where `make build` has installed it."""
    from local.template import REPOSITORY

    return "sam" if shutil.which("sam") else str(from_here(REPOSITORY / ".venv-sam" / "bin" / "sam"))


def from_here(path: Path) -> Path:
    """Return a path relative to the current directory, where it lies in that."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
