"""The sample of the fault matrix that fits into a test run: `make matrix` runs every cell."""

import re
import subprocess
import sys

from local.template import REPOSITORY
from tests.faults.faults import Fault

CELLS = 24


def test_a_sample_of_the_fault_matrix_survives() -> None:
    command = [sys.executable, "-m", "tests.faults.matrix", "--sample", str(CELLS), "--seed", "20261124"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=REPOSITORY)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{CELLS} cells, {CELLS} survived, 0 not survived" in done.stdout


def test_the_documented_table_has_every_fault_and_adds_up() -> None:
    text = (REPOSITORY / "docs" / "reliability.md").read_text()
    rows = re.findall(r"^│ ([a-z ]+?) +│" + r" (\d+) +│" * 6 + "$", text, re.MULTILINE)
    assert [fault for fault, *_ in rows] == list(Fault)
    columns = [[int(number) for number in column] for column in list(zip(*rows, strict=True))[1:]]
    points, _, succeeded, rolled_back, survived, failed = map(sum, columns)
    assert f"{points} cells, {survived} survived, {failed} not survived" in text
    assert points == succeeded + rolled_back == survived + failed
