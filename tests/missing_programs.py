"""How tests that need a program are skipped where it is missing."""

import os
import re
import subprocess
import sys
from pathlib import Path

from local.template import REPOSITORY


def assert_skipped_in_one_line(file: Path, marks: str, line: str, directory: Path) -> None:
    """Run a file of tests with no program on the path: one line of the summary says why, and how many are skipped."""
    outer = {name: value for name, value in os.environ.items() if name != "CI" and not name.startswith("PYTEST_")}
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-m", marks, str(file)]
    done = subprocess.run(
        [*command, f"--basetemp={directory / 'run'}"],
        cwd=REPOSITORY,
        env=outer | {"PATH": str(directory)},
        capture_output=True,
        text=True,
        check=True,
    )
    (told,) = [one for one in done.stdout.splitlines() if line in one]
    (count,) = re.findall(r"^SKIPPED \[(\d+)\] ", told)
    assert re.search(rf"^=* ?{count} skipped\b", done.stdout.splitlines()[-1])
