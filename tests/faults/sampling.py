"""The choice of a sample of the matrix's cells."""

import random
from collections.abc import Hashable, Sequence
from typing import Protocol, TypeVar


class Choosable(Protocol):
    """What a sample is taken of."""

    @property
    def kind(self) -> Hashable: ...
    @property
    def name(self) -> str: ...


One = TypeVar("One", bound=Choosable)


def sample(cells: Sequence[One], at_most: int, seed: int) -> list[One]:
    """Return a seeded sample that has a cell of every kind, in the order of the cells.

    The sample is the same in every process. Raise ValueError if there are more kinds than cells in the sample.
    """
    chance = random.Random(seed)  # noqa: S311 a repeatable choice of tests
    shuffled = chance.sample(range(len(cells)), len(cells))
    first = {cells[number].kind: number for number in reversed(shuffled)}
    if len(first) > at_most:
        raise ValueError(f"{at_most} cells cannot have one of each of {len(first)} kinds")
    others = [number for number in shuffled if first[cells[number].kind] != number]
    return [cells[number] for number in sorted([*first.values(), *others[: at_most - len(first)]])]
