"""Who lacks npm or a pooler is told in one line what was skipped, and CI does not go without."""

import re
import subprocess
from pathlib import Path

import pytest

from local.template import REPOSITORY
from tests.ecosystem.clients.conftest import pytest_runtest_setup
from tests.missing_programs import assert_skipped_in_one_line

FOLDER = REPOSITORY / "tests" / "ecosystem" / "clients"
LINES = {
    "run_node": "clients of npm: no npm was found (it comes with Node.js 20 or later)",
    "pgbouncer": "clients behind a pooler: no pgbouncer was found (apt-get install pgbouncer)",
}


@pytest.mark.parametrize(("file", "needed"), [("test_npm_clients.py", "run_node"), ("test_pgbouncer.py", "pgbouncer")])
def test_one_line_says_how_many_tests_of_what_were_skipped_and_why(tmp_path: Path, file: str, needed: str) -> None:
    assert_skipped_in_one_line(FOLDER / file, "ecosystem", LINES[needed], tmp_path)


@pytest.mark.parametrize("needed", LINES)
def test_in_ci_a_missing_client_is_a_failure(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, request: pytest.FixtureRequest, needed: str
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("CI", "true")
    monkeypatch.setattr(request.node, "fixturenames", [needed])
    with pytest.raises(pytest.fail.Exception, match=re.escape(LINES[needed])):
        pytest_runtest_setup(request.node)


def test_the_installation_says_so_too_and_succeeds(tmp_path: Path) -> None:
    for program in ("bash", "env", "dirname"):
        (tmp_path / program).symlink_to(f"/usr/bin/{program}")
    script = REPOSITORY / "scripts" / "npm-install"
    done = subprocess.run(
        [script, "tests/ecosystem/clients"], env={"PATH": str(tmp_path)}, capture_output=True, text=True, check=True
    )
    assert done.stderr == ("No npm was found (it comes with Node.js 20 or later): the clients of npm are skipped.\n")
