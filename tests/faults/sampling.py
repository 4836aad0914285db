"""Which cells of the matrix are run when not all are."""

import random
from collections.abc import Sequence

from tests.faults.cells import Cell


def sample(cells: Sequence[Cell], at_most: int, seed: int) -> list[Cell]:
    """Return a seeded sample that has a cell of every kind (job type, stage and fault), in the order of the cells.

    The same sample wherever it is asked for. Raise ValueError when there are more kinds than cells to be taken.
    """
    chance = random.Random(seed)  # noqa: S311 a repeatable choice of tests
    shuffled = chance.sample(range(len(cells)), len(cells))
    first = {cells[number].kind: number for number in reversed(shuffled)}
    if len(first) > at_most:
        raise ValueError(f"{at_most} cells cannot have one of each of {len(first)} kinds")
    others = [number for number in shuffled if first[cells[number].kind] != number]
    return [cells[number] for number in sorted([*first.values(), *others[: at_most - len(first)]])]
