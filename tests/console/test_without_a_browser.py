"""Who has no browser is told in one line what was skipped, and CI does not go without."""

import re
from pathlib import Path

import pytest

from local.template import REPOSITORY
from tests.console.conftest import pytest_runtest_setup
from tests.missing_programs import assert_skipped_in_one_line

FILE = REPOSITORY / "tests" / "console" / "test_pages.py"
LINE = "tests of the execution view: no Chromium was found (apt-get install chromium)"


@pytest.mark.slow
def test_one_line_says_how_many_tests_of_what_were_skipped_and_why(tmp_path: Path) -> None:
    assert_skipped_in_one_line(FILE, "slow or not slow", LINE, tmp_path)


def test_in_ci_a_missing_browser_is_a_failure(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("CI", "true")
    monkeypatch.setattr(request.node, "fixturenames", ["page", "browser"])
    with pytest.raises(pytest.fail.Exception, match=re.escape(LINE)):
        pytest_runtest_setup(request.node)
