"""Who lacks npm or a pooler is told in one line what was skipped, and CI does not go without."""

import re
import subprocess
from pathlib import Path

import pytest

from local.template import REPOSITORY
from tests.ecosystem.clients import running
from tests.ecosystem.clients.conftest import pytest_runtest_setup
from tests.missing_programs import assert_skipped_in_one_line

FOLDER = REPOSITORY / "tests" / "ecosystem" / "clients"
LINES = {
    "run_node": "clients of npm: no npm was found (it comes with Node.js 20 or later)",
    "pgbouncer": "clients behind a pooler: no pgbouncer was found (apt-get install pgbouncer)",
}
DEBIAN_13 = "clients of Debian 13: there is no .debian-13 (make test-ecosystem unpacks it where there is apt)"


@pytest.mark.parametrize(("file", "needed"), [("test_npm_clients.py", "run_node"), ("test_pgbouncer.py", "pgbouncer")])
@pytest.mark.slow
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


@pytest.mark.parametrize("needed", ["pgbouncer", "postgres_programs"])
def test_what_debian_13_has_is_named_where_it_was_not_unpacked(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, needed: str
) -> None:
    (tmp_path / "pgbouncer").touch(mode=0o700)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(running, "DEBIAN_13", tmp_path / ".debian-13")
    assert running.missing(needed) == DEBIAN_13


def test_without_apt_the_programs_of_debian_13_are_skipped_in_one_line(tmp_path: Path) -> None:
    for program in ("bash", "env", "dirname"):
        (tmp_path / program).symlink_to(f"/usr/bin/{program}")
    script, folder = REPOSITORY / "scripts" / "debian-13", tmp_path / "unpacked"
    done = subprocess.run([script, folder], env={"PATH": str(tmp_path)}, capture_output=True, text=True, check=True)
    said = "No apt with Debian's keys was found: pgbouncer 1.24 and the clients of PostgreSQL 17 are skipped.\n"
    assert (done.stderr, folder.exists()) == (said, False)


def test_the_installation_says_so_too_and_succeeds(tmp_path: Path) -> None:
    for program in ("bash", "env", "dirname"):
        (tmp_path / program).symlink_to(f"/usr/bin/{program}")
    script = REPOSITORY / "scripts" / "npm-install"
    done = subprocess.run(
        [script, "tests/ecosystem/clients"], env={"PATH": str(tmp_path)}, capture_output=True, text=True, check=True
    )
    assert done.stderr == ("No npm was found (it comes with Node.js 20 or later): the clients of npm are skipped.\n")
