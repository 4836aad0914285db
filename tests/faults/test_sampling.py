"""CI runs a seeded sample of the matrix with at least one cell of every job type, stage and kind of fault."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.faults.boundary import Point
from tests.faults.cells import Cell
from tests.faults.faults import Fault
from tests.faults.kinds import JOBS
from tests.faults.sampling import sample

STAGES = ("CreateDatabaseFunction", "CreateSchemaFunction", "FinalizeFunction")
CELLS = [
    Cell(job, Point(stage, number, "SELECT"), fault)
    for job in JOBS[:3]
    for stage in STAGES
    for number in range(1, 5)
    for fault in Fault
]
KINDS = {cell.kind for cell in CELLS}
SEEDS = st.integers(0, 2**32)


@given(SEEDS, st.integers(len(KINDS), len(CELLS) + 10))
def test_a_sample_has_a_cell_of_every_kind_and_never_more_than_it_may(seed: int, at_most: int) -> None:
    taken = sample(CELLS, at_most, seed)
    assert {cell.kind for cell in taken} == KINDS
    assert len(taken) == len(set(taken)) == min(at_most, len(CELLS))


@given(SEEDS)
def test_the_same_seed_takes_the_same_cells(seed: int) -> None:
    assert sample(CELLS, 100, seed) == sample(CELLS, 100, seed)


@given(SEEDS)
@pytest.mark.slow
def test_every_cell_has_its_turn(seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 a repeatable choice of seeds
    seen = {cell for _ in range(60) for cell in sample(CELLS, 100, chance.randrange(2**32))}
    assert seen == set(CELLS)


@given(SEEDS, st.integers(1, len(KINDS)))
def test_of_more_kinds_than_cells_a_sample_has_one_cell_each(seed: int, at_most: int) -> None:
    assert len({cell.kind for cell in sample(CELLS, at_most, seed)}) == at_most


def test_a_sample_keeps_the_order_of_the_cells() -> None:
    assert [CELLS.index(cell) for cell in sample(CELLS, 120, 7)] == sorted(
        CELLS.index(cell) for cell in sample(CELLS, 120, 7)
    )
