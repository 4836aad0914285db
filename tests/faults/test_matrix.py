"""The documentation of the fault matrix: `make matrix` runs every cell, and CI a sample."""

import re
from itertools import product

from local.template import REPOSITORY
from provisioning.jobs.registry import DECLARATIONS
from tests.faults.faults import Fault
from tests.faults.kinds import JOBS


def test_the_documented_table_has_every_fault_and_adds_up() -> None:
    text = (REPOSITORY / "docs" / "reliability.md").read_text()
    rows = re.findall(r"^│ ([a-z ]+?) +│" + r" (\d+) +│" * 7 + "$", text, re.MULTILINE)
    assert [fault for fault, *_ in rows] == list(Fault)
    columns = [[int(number) for number in column] for column in list(zip(*rows, strict=True))[1:]]
    points, _, succeeded, rolled_back, not_run, survived, failed = map(sum, columns)
    assert f"{points} cells, {survived} survived, {failed} not survived" in text
    assert points == succeeded + rolled_back + not_run == survived + failed


def test_every_job_type_is_in_the_matrix_to_its_success_and_to_its_rollback() -> None:
    kinds = {(job.job_type, job.is_rolled_back) for job in JOBS}
    assert kinds == set(product(DECLARATIONS, (False, True)))


def test_every_type_that_a_project_begins_with_is_asked_for_in_the_matrix_too() -> None:
    asked_for = [job for job in JOBS if job.is_asked_for]
    assert {job.job_type for job in asked_for} == {job.job_type for job in JOBS if job.makes_tenant}
    text = (REPOSITORY / "docs" / "reliability.md").read_text()
    assert [job.name for job in asked_for if f"`{job.name}`" not in text] == []


def test_ci_runs_a_sample_of_the_matrix_that_is_no_larger_than_it_may_be() -> None:
    (cells,) = re.findall(r" cells=\$\(of (\d+)\)$", (REPOSITORY / ".ci" / "run").read_text(), re.MULTILINE)
    assert int(cells) <= 500
