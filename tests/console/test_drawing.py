"""The drawing of a state machine: shipped ones, random ones, hostile names, and shapes that are not drawn."""

import re
from itertools import combinations, pairwise
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from console.boxes import NAME_SIZE, NOTE_SIZE, Box, Mark, text_width
from console.definition import Document, read_definition
from console.drawing import NARROW, WIDE, drawing
from console.layout import Layout, lay_out, spine_of
from provisioning.jobs.declaration import JobType
from provisioning.jobs.registry import DECLARATIONS
from tests import shipped

SIZES = [(WIDE, True), (NARROW, False)]
DONE = {"Type": "Succeed"}
shipped_types = pytest.mark.parametrize("job_type", list(DECLARATIONS))
both_sizes = pytest.mark.parametrize(("room", "beside"), SIZES, ids=["wide", "narrow"])


def placed(definition: Document, room: float, *, beside: bool, **marks: Mark) -> Layout:
    found = lay_out(read_definition(definition), marks, room=room, beside=beside)
    assert found, "it is drawn"
    return found


def parsed(markup: str) -> ElementTree.Element:
    return ElementTree.fromstring(f"<div>{markup}</div>")  # noqa: S314


def machine(**states: Any) -> dict[str, Any]:
    return {"StartAt": next(iter(states)), "States": states}


@st.composite
def machines(draw: st.DrawFn, depth: int = 1, prefix: str = "") -> dict[str, Any]:
    """Machines without a loop: each state leads to later ones, by Next, Choices, Default and Catch."""
    size = draw(st.integers(1, 6))
    names = [f"{prefix}{n} {draw(st.text(max_size=30))}" for n in range(size)]
    states: dict[str, Any] = {names[-1]: DONE}
    for n, name in enumerate(names[:-1]):
        later = st.sampled_from(names[n + 1 :])
        ways = [{"Variable": "$.a", "IsPresent": True, "Next": draw(later)} for _ in range(draw(st.integers(0, 3)))]
        catch = [{"ErrorEquals": ["E"], "Next": draw(later)} for _ in range(draw(st.integers(0, 3)))]
        kind = draw(st.sampled_from(["Task", "Choice", *["Parallel"] * depth]))
        states[name] = {"Type": kind, "Next": draw(later), "Catch": catch}
        if kind == "Choice":
            states[name] = {"Type": kind, "Choices": ways, "Default": draw(later)}
        if kind == "Parallel":
            inner = [draw(machines(depth=0, prefix=f"{prefix}{n}.{b}.")) for b in range(draw(st.integers(1, 5)))]
            states[name]["Branches"] = inner
    return {"StartAt": names[0], "States": states}


def holds(outer: Box, inner: Box) -> bool:
    return (
        outer.x <= inner.x
        and outer.y <= inner.y
        and inner.x + inner.width <= outer.x + outer.width
        and inner.y + inner.height <= outer.y + outer.height
    )


def apart(one: Box, other: Box) -> bool:
    beside = one.x + one.width <= other.x or other.x + other.width <= one.x
    return beside or one.y + one.height <= other.y or other.y + other.height <= one.y


def assert_sound(definition: Document, layout: Layout) -> None:
    transitions = [one for state in read_definition(definition).every_state() for one in state.transitions]
    assert sorted(map(str, transitions)) == sorted(str(line.transition) for line in layout.lines)
    assert [box.name for box in layout.boxes if box.name not in layout.folded]
    for one, other in combinations(layout.boxes, 2):
        assert apart(one, other) or (one.container and holds(one, other)), (one, other)
    for box in layout.boxes:
        assert 0 <= box.x <= layout.width - box.width
        assert 0 <= box.y <= layout.height - box.height
        for text, size in [*((one, NAME_SIZE) for one in box.label), *((one, NOTE_SIZE) for one in box.note)]:
            assert text_width(text, size) <= box.width
    for line in layout.lines:
        for (x, y), (x2, y2) in pairwise(line.points):
            assert x == x2 or y == y2
            assert 0 <= min(x, x2) <= max(x, x2) <= layout.width
            for box in layout.boxes:
                crossed = min(x, x2) < box.x + box.width and max(x, x2) > box.x
                crossed = crossed and min(y, y2) < box.y + box.height and max(y, y2) > box.y
                assert not crossed or box.container, (line, box)


@both_sizes
@shipped_types
def test_every_shipped_state_machine_is_drawn_and_fits(job_type: JobType, room: float, beside: bool) -> None:
    definition = shipped.definition(job_type)
    layout = placed(definition, room, beside=beside)
    assert_sound(definition, layout)
    assert layout.width <= room
    assert sorted(box.name for box in layout.boxes) == sorted(name for name, _ in shipped.states(definition))


@settings(max_examples=15, deadline=None)
@given(machines())
def test_no_boxes_overlap_and_every_transition_is_drawn_once(definition: dict[str, Any]) -> None:
    for room, beside in SIZES:
        assert_sound(definition, placed(definition, room, beside=beside))


@settings(max_examples=15, deadline=None)
@given(st.text(min_size=1, max_size=80), st.text(max_size=80), st.text(max_size=40))
def test_no_name_and_no_note_breaks_out_of_its_box(name: str, note: str, label: str) -> None:
    first = {"Type": "Pass", "Next": "end", "Catch": [{"ErrorEquals": [label], "Next": "end"}]}
    definition = {"StartAt": name, "States": {name: first} | {"end": DONE}}
    drawn = drawing(definition, {name: Mark("failed", note, due=1)})
    if name != "end":
        assert len(re.findall(r"<(\w+)", drawn)) == drawn.count("</") + drawn.count("/>")
        assert set(re.findall(r"<(\w+)", drawn)) <= {
            "svg",
            "g",
            "rect",
            "path",
            "title",
            "text",
            "tspan",
            "ul",
            "li",
        } | {*("button", "span")}


def test_a_hostile_name_is_text() -> None:
    evil = '"><script>alert(1)</script><img src=x onerror=alert(1)>'
    drawn = drawing({"StartAt": evil, "States": {evil: DONE}}, {evil: Mark("failed", evil)})
    assert not re.search(r"<(script|img)", drawn)
    (box,) = {one.get("data-value") for one in parsed(drawn).iter("g") if one.get("role") == "button"}
    assert box == evil


@both_sizes
def test_the_spine_runs_straight_from_the_start_to_success(room: float, beside: bool) -> None:
    definition = shipped.definition()
    spine = spine_of(read_definition(definition))
    assert (spine[0], spine[-1]) == ("Receive payload", "Provisioned")
    boxes = {box.name: box for box in placed(definition, room, beside=beside).boxes}
    assert len({boxes[name].x + boxes[name].width / 2 for name in spine}) == 1
    assert [*spine] == sorted(spine, key=lambda name: boxes[name].y)


def test_the_way_back_is_beside_the_spine_or_below_it_on_a_phone() -> None:
    definition = shipped.definition()
    wide, narrow = (placed(definition, room, beside=beside) for room, beside in SIZES)
    for layout in (wide, narrow):
        boxes = {box.name: box for box in layout.boxes}
        assert {"Take up the failure", "Revoke API keys", "Record failure"} <= {*layout.lane}
        last, first = boxes["Provisioned"], boxes[layout.lane[0]]
        assert first.x > boxes["Register services"].x + boxes["Register services"].width or first.y > last.y
        assert (first.y > last.y) == (layout is narrow)


@pytest.mark.parametrize(("size", "rows"), [*zip(SIZES, (1, 2), strict=True)], ids=["wide", "narrow"])
def test_branches_stand_side_by_side_in_the_order_of_the_definition(size: tuple[int, bool], rows: int) -> None:
    definition = shipped.definition()
    folded = {name: Mark("waiting", folded=True) for name, _ in shipped.states(definition)}
    layout = lay_out(read_definition(definition), folded, room=size[0], beside=size[1])
    assert layout
    boxes = {box.name: box for box in layout.boxes}
    branches = [boxes[f"Register {service}"] for service in ("auth", "realtime", "storage", "pooler")]
    assert branches == sorted(branches, key=lambda box: (box.y, box.x))
    assert len({box.y for box in branches}) == rows


@both_sizes
def test_states_that_only_a_failure_enters_are_folded_into_one_box(room: float, beside: bool) -> None:
    definition = shipped.definition()
    marks = {name: Mark("waiting", folded=True) for name, _ in shipped.states(definition)}
    layout = lay_out(read_definition(definition), marks, room=room, beside=beside)
    assert layout
    assert len(layout.lane) == 1
    assert layout.boxes[-1].label == [f"{len(layout.folded)} other states"]
    assert {"Revoke API keys", "Auth not registered"} <= {*layout.folded}
    assert {"Verify project", "Register auth", "Provisioned"} <= {box.name for box in layout.boxes}


@pytest.mark.parametrize("name", ["Revoke API keys", "Record failure"])
def test_the_lane_is_lit_only_when_one_of_its_states_was_entered(name: str) -> None:
    for css_class in ("waiting", "skipped", "succeeded"):
        drawn = drawing(shipped.definition(), {name: Mark(css_class)})
        assert drawn.count('class="lane entered"') == (2 if css_class == "succeeded" else 0)


@pytest.mark.parametrize(
    "definition",
    [
        machine(A={"Type": "Map", "ItemProcessor": machine(B=DONE), "End": True}),
        machine(A={"Type": "Choice", "Choices": [], "Default": "B"}, B={"Type": "Pass", "Next": "A"}),
        machine(A={"Type": "Pass", "Next": "A"}),
        machine(A={"Type": "Parallel", "Branches": [machine(B={"Type": "Pass", "Next": "B"})], "End": True}),
        machine(A={"Type": "Pass", "Next": "nowhere"}),
        machine(A={"Type": "Parallel", "Branches": [], "End": True}),
    ],
    ids=["Map", "loop", "loop to itself", "loop in a branch", "missing target", "Parallel of nothing"],
)
def test_a_shape_that_is_not_known_is_a_list_of_its_states(definition: dict[str, Any]) -> None:
    drawn = parsed(drawing(definition, {"A": Mark("running", "● running")}))
    assert not list(drawn.iter("svg"))
    names = [one.get("data-value") for one in drawn.iter("button")]
    assert names == [state.name for state in read_definition(definition).every_state()]


def test_a_status_is_a_colour_and_a_word_and_a_countdown_counts() -> None:
    mark = Mark("retrying", "↻ attempt 2 of 3, next in 4:12", due=1234)
    drawn = parsed(drawing(machine(A=DONE), {"A": mark}))
    boxes = [one for one in drawn.iter("g") if one.get("data-value") == "A"]
    assert [one.get("aria-label") for one in boxes] == ["A, attempt 2 of 3"] * 2
    assert [one.get("class") for one in boxes] == ["box retrying"] * 2
    assert [(one.get("data-due"), one.text) for one in drawn.iter("tspan")] == [("1234", "4:12")] * 2


def test_the_lines_in_a_parallel_are_above_its_box() -> None:
    wide = drawing(shipped.definition()).split("</svg>")[0]
    assert wide.index(">Register services<") < wide.index("<title>Register auth → Auth not registered</title>")
