"""Stack boxes in columns, and lead each transition between them through free ways only.

Neighbours of a column are joined straight. Every other transition leaves its box sideways, runs up or down in the
gutter to the right of a column, and enters its target sideways: a row has one box, so no line crosses a box.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from console.boxes import BETWEEN, Box, Line, Wanted
from console.definition import Transition, Way

CHANNEL = 7
MARGIN = 12
ABREAST = 3
"""So many transitions between two neighbours are straight, side by side."""


@dataclass(frozen=True)
class Edge:
    """A transition between two boxes; its target may stand for several states."""

    source: str
    target: str
    transition: Transition


@dataclass(frozen=True)
class _Route:
    edge: Edge
    gutter: int
    channel: tuple[str, bool]
    """Transitions to one target share a channel of the gutter, catches another."""
    leaves: tuple[str, str]
    enters: tuple[str, str]
    """A box and its side."""


def routed(columns: Sequence[Sequence[Wanted]], edges: Sequence[Edge]) -> tuple[float, float, list[Box], list[Line]]:
    """Return width, height, boxes and lines of these columns, from their left upper corner."""
    place = {box.name: (c, r) for c, column in enumerate(columns) for r, box in enumerate(column)}
    abreast = defaultdict[tuple[str, str], list[Edge]](list)
    for edge in edges:
        (here, row), (there, below) = place[edge.source], place[edge.target]
        if here == there and below == row + 1 and len(abreast[edge.source, edge.target]) < ABREAST:
            abreast[edge.source, edge.target].append(edge)
    straight = {id(edge) for found in abreast.values() for edge in found}
    routes = [_route(edge, place[edge.source][0], place[edge.target][0]) for edge in edges if id(edge) not in straight]
    ports = _ports(routes)
    channels = [
        list(dict.fromkeys(one.channel for one in routes if one.gutter == number)) for number in range(len(columns))
    ]
    placed, left, height = dict[str, tuple[float, float, Wanted]](), 0.0, 0.0
    starts = list[float]()
    for column, taken in zip(columns, channels, strict=True):
        width, top = max(box.width for box in column), 0.0
        for box in column:
            needed = max(box.height, CHANNEL * (1 + max(len(ports[box.name, side]) for side in ("left", "right"))))
            grown = _grown(box, needed)
            placed[box.name] = (left + (width - box.width) / 2, top, grown)
            top += needed + BETWEEN
        height = max(height, top - BETWEEN)
        starts.append(left + width + MARGIN)
        last = column is columns[-1]
        left += width + (MARGIN + CHANNEL * len(taken) if taken else 0 if last else MARGIN) + (0 if last else MARGIN)
    boxes = [replace(one, x=one.x + x, y=one.y + y) for x, y, wanted in placed.values() for one in wanted.boxes]
    lines = [line.moved(x, y) for x, y, wanted in placed.values() for line in wanted.lines]
    for found in abreast.values():
        lines += [_straight(edge, number, len(found), placed) for number, edge in enumerate(found)]
    for route in routes:
        x = starts[route.gutter] + CHANNEL * channels[route.gutter].index(route.channel)
        start, end = _port(route, route.leaves, ports, placed), _port(route, route.enters, ports, placed)
        lines.append(Line(route.edge.transition, [start, (x, start[1]), (x, end[1]), end]))
    return left, height, boxes, lines


def _route(edge: Edge, column: int, other: int) -> _Route:
    channel = (edge.target, edge.transition.way is Way.CATCH)
    leaves, enters = ("right" if column <= other else "left"), ("left" if column < other else "right")
    return _Route(edge, min(column, other), channel, (edge.source, leaves), (edge.target, enters))


def _ports(routes: Sequence[_Route]) -> Mapping[tuple[str, str], list[object]]:
    """Return where lines leave or enter each side of each box, from top to bottom: those that enter first."""
    ports = defaultdict[tuple[str, str], list[object]](list)
    for route in routes:
        if route.channel not in ports[route.enters]:
            ports[route.enters].append(route.channel)
    for route in routes:
        ports[route.leaves].append(id(route.edge))
    return ports


def _port(
    route: _Route,
    side: tuple[str, str],
    ports: Mapping[tuple[str, str], list[object]],
    placed: Mapping[str, tuple[float, float, Wanted]],
) -> tuple[float, float]:
    x, y, wanted = placed[side[0]]
    here = ports[side]
    number = here.index(id(route.edge) if side == route.leaves else route.channel)
    return x + (wanted.width if side[1] == "right" else 0), y + wanted.height * (number + 1) / (len(here) + 1)


def _straight(edge: Edge, number: int, together: int, placed: Mapping[str, tuple[float, float, Wanted]]) -> Line:
    x, y, wanted = placed[edge.source]
    middle = x + wanted.width / 2 + 2 * CHANNEL * (number - (together - 1) / 2)
    return Line(edge.transition, [(middle, y + wanted.height), (middle, placed[edge.target][1])])


def _grown(wanted: Wanted, height: float) -> Wanted:
    if not wanted.boxes or height == wanted.height:
        return wanted
    return replace(wanted, height=height, boxes=[replace(wanted.boxes[0], height=height), *wanted.boxes[1:]])
