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
    """Return a seeded sample in the order of the cells: one of every kind, then others.

    The sample is the same in every process. Of more kinds than it has cells it has as many as it has cells.
    """
    chance = random.Random(seed)  # noqa: S311 a repeatable choice of tests
    shuffled = chance.sample(range(len(cells)), len(cells))
    first = {cells[number].kind: number for number in reversed(shuffled)}
    firsts = [number for number in shuffled if first[cells[number].kind] == number]
    others = [number for number in shuffled if first[cells[number].kind] != number]
    return [cells[number] for number in sorted([*firsts, *others][:at_most])]
