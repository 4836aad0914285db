import re
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.definition import Transition, Way, describe_rule
from tests import shipped
from tests.mermaid_text import Mark, mermaid, node_ids

DEFINITION = shipped.definition()
PICTURE = mermaid(DEFINITION)


def machine(*names: str, **first: Any) -> dict[str, Any]:
    """A chain of Pass states of these names, the first with these fields as well."""
    states: dict[str, Any] = {name: {"Type": "Pass", "Next": after} for name, after in pairwise(names)}
    states[names[-1]] = {"Type": "Succeed"}
    states[names[0]] |= first
    return {"StartAt": names[0], "States": states}


def arrow(source: str, target: str) -> list[str]:
    ids = node_ids(DEFINITION)
    return re.findall(rf"^ *{ids[source]} (\S+?)(?:\|.*\|)? {ids[target]}$", PICTURE, re.MULTILINE)


@pytest.mark.parametrize("name", [name for name, _ in shipped.states()])
def test_every_state_stands_under_its_own_name(name: str) -> None:
    assert PICTURE.count(f'"{name}"') == 1


def test_nothing_is_drawn_that_the_definition_does_not_have() -> None:
    ways = sum(
        ("Next" in state) + ("Default" in state) + len(state.get("Choices", [])) + len(state.get("Catch", []))
        for _, state in shipped.states()
    )
    assert len(re.findall(r"-->|-\.->", PICTURE)) == ways


def test_the_way_on_is_solid_and_a_catch_is_dashed() -> None:
    assert arrow("Create tenant database", "Create tenant schema") == ["-->"]
    assert arrow("Create tenant database", "Revoke API keys") == ["-.->"]


def test_a_compensation_that_gives_up_leads_where_one_that_succeeds_leads() -> None:
    assert sorted(arrow("Revoke API keys", "Deregister services")) == ["-->", "-.->"]


def test_a_choice_says_when_which_way_is_taken() -> None:
    ids = node_ids(DEFINITION)
    after = "Provisioned after all?"
    assert f'{ids[after]} -->|"recorded.outcome is succeeded"| {ids["Provisioned before"]}' in PICTURE
    assert f'{ids[after]} -->|"otherwise"| {ids["Provisioning failed"]}' in PICTURE


def test_the_branches_of_a_parallel_are_boxes_in_its_box() -> None:
    node = node_ids(DEFINITION)["Register services"]
    box = PICTURE[PICTURE.index(f'subgraph {node}["Register services"]') :]
    box = box[: box.index("\n    end\n")]
    inside = [name for name in shipped.tasks() if f'"{name}"' in box]
    assert inside == ["Register auth", "Register realtime", "Register storage", "Register pooler"]
    assert box.count(f"subgraph {node}b") == 4


def test_an_arrow_inside_a_branch_is_written_inside_its_box() -> None:
    ids = node_ids(DEFINITION)
    arrow = f"{ids['Register auth']} -.-> {ids['Auth not registered']}"
    before, _, after = PICTURE.partition(arrow)
    assert after, "the arrow is there"
    assert before.rindex(f"subgraph {ids['Register services']}b1") > before.rindex(" end\n")
    assert after.index(" end\n") < after.index("subgraph") if "subgraph" in after else True


def test_a_mark_is_a_class_and_a_note_below_the_name() -> None:
    drawn = mermaid(DEFINITION, {"Finalize": Mark("running", "attempt 2 of 3")})
    assert '("Finalize<br/>attempt 2 of 3")' in drawn
    assert f"class {node_ids(DEFINITION)['Finalize']} running\n" in drawn


def test_a_way_that_was_taken_is_marked_and_no_other() -> None:
    definition = machine("A", "B", Catch=[{"ErrorEquals": ["States.ALL"], "Next": "B"}])
    drawn = mermaid(definition, {"A": Mark("failed")}, [Transition("A", "B", Way.CATCH)])
    assert "s1 s1e1@--> s2" in drawn
    assert "s1 s1e2@-.-> s2" in drawn
    assert re.findall(r"class (\S+) taken", drawn) == ["s1e2"]


def test_a_map_is_drawn_with_what_it_repeats() -> None:
    outer = machine("Each", "Done", Type="Map", ItemProcessor=machine("One", "Two"))
    assert '"One"' in mermaid(outer)


def test_a_catch_of_chosen_errors_names_them() -> None:
    drawn = mermaid(machine("A", "B", Catch=[{"ErrorEquals": ["X", "Y"], "Next": "B"}]))
    assert 's1 -.->|"X, Y"| s2' in drawn


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        ({"Variable": "$.a.b", "BooleanEquals": True}, "a.b is true"),
        ({"Variable": "$.a", "StringEquals": "x"}, "a is x"),
        ({"Variable": "$.a[0]", "IsPresent": True}, "a[0] is present"),
        ({"Variable": "$.a", "IsPresent": False}, "a is not present"),
        ({"Variable": "$.a", "NumericGreaterThan": 3}, "a NumericGreaterThan 3"),
        ({"Variable": "$.a", "NumericGreaterThanEquals": 3}, "a NumericGreaterThanEquals 3"),
        ({"Not": {"Variable": "$.a", "StringEquals": "x"}}, "not (a is x)"),
        (
            {"And": [{"Variable": "$.a", "IsNull": True}, {"Variable": "$.b", "StringMatches": "x*"}]},
            "a is null and b StringMatches x*",
        ),
        ({"Condition": "{% $x > 1 %}"}, "$x > 1"),
    ],
)
def test_a_rule_reads_as_words(rule: dict[str, Any], text: str) -> None:
    assert describe_rule(rule | {"Next": "there"}) == text


@given(st.lists(st.text(min_size=1, max_size=80), min_size=1, max_size=5, unique=True))
def test_no_name_breaks_out_of_its_label(names: list[str]) -> None:
    drawn = mermaid(machine(*names)).splitlines()
    assert drawn[0] == "flowchart TB"
    labels = [line for line in drawn[1:] if '"' in line]
    assert len(labels) == len(names)
    assert all(re.fullmatch(r' +s\d+(\[/|\(\[)"[^"<>`\\]*"(/\]|\]\))', line) for line in labels)
