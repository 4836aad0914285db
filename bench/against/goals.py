"""What the work tree has to reach beside the commit before issue 12, or by itself."""

from typing import NamedTuple

from bench.against.medians import Compared

TWO_AT_ONCE = "two at once: jobs per second ÷ (2 ÷ CPU seconds per job)"


class Goal(NamedTuple):
    """A limit of the ratio to the commit or, of_ratio being False, of what the work tree has by itself."""

    figure: str
    limit: float
    of_ratio: bool = True
    at_least: bool = False

    def told(self, found: Compared) -> str:
        """Return the limit, and whether it is kept."""
        spread = found.ratio if self.of_ratio else found.work_tree
        limit = f"{'ratio ' if self.of_ratio else ''}{'≥' if self.at_least else '≤'} {self.limit:g}"
        if spread is None:
            return f"{limit}: not measured"
        met = spread.median >= self.limit if self.at_least else spread.median <= self.limit
        return f"{limit}: {'met' if met else '**missed**'}"


GOALS = (
    Goal("handlers in order, from the pool, ms", 0.75),
    Goal("handlers in order, from nothing, ms", 0.67),
    Goal("own Python per stage, ms", 0.79),
    Goal(TWO_AT_ONCE, 0.8, of_ratio=False, at_least=True),
    Goal("beside none, from the pool", 1.1, of_ratio=False),
    Goal("beside none, from nothing", 1.3, of_ratio=False),
)
"""Of a figure whose name ends with the goal's."""


def of(figure: str, found: Compared) -> str:
    """Return a figure's goal and whether it is met, or nothing where it has none."""
    return next((goal.told(found) for goal in GOALS if figure.endswith(goal.figure)), "")
