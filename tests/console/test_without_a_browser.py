"""Who has no browser is told in one line what was skipped, and CI does not go without."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from local.template import REPOSITORY
from tests.console.conftest import pytest_runtest_setup

FILE = "tests/console/test_pages.py"
LINE = "tests of the execution view: no Chromium was found (apt-get install chromium)"


def test_one_line_says_how_many_tests_of_what_were_skipped_and_why(tmp_path: Path) -> None:
    outer = {name: value for name, value in os.environ.items() if name != "CI" and not name.startswith("PYTEST_")}
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-m", "slow or not slow", FILE]
    done = subprocess.run(
        [*command, f"--basetemp={tmp_path / 'run'}"],
        cwd=REPOSITORY,
        env=outer | {"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    (line,) = [line for line in done.stdout.splitlines() if LINE in line]
    (count,) = re.findall(r"^SKIPPED \[(\d+)\] ", line)
    assert re.search(rf"\b{count} skipped\b", done.stdout)


def test_in_ci_a_missing_browser_is_a_failure(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("CI", "true")
    monkeypatch.setattr(request.node, "fixturenames", ["page", "browser"])
    with pytest.raises(pytest.fail.Exception, match=re.escape(LINE)):
        pytest_runtest_setup(request.node)
