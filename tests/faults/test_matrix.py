"""The sample of the fault matrix that fits into a test run: `make matrix` runs every cell."""

import subprocess
import sys

from local.template import REPOSITORY

CELLS = 40


def test_a_sample_of_the_fault_matrix_survives() -> None:
    command = [sys.executable, "-m", "tests.faults.matrix", "--sample", str(CELLS), "--seed", "20261124"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=REPOSITORY)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{CELLS} cells, {CELLS} survived, 0 not survived" in done.stdout
