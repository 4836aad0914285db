"""What the tests take for one template is what CloudFormation makes of a template and the one that it nests."""

import copy
from typing import Any

import pytest

from tests import shipped
from tests.nested_stack import read_as_one

OUTER: dict[str, Any] = {
    "Conditions": {},
    "Resources": {
        "Nested": {
            "Properties": {
                "Parameters": {
                    "Queue": {"Fn::GetAtt": ["Queue", "Arn"]},
                    "Names": {"Fn::Join": [",", [{"Ref": "One"}, {"Ref": "Other"}]]},
                }
            }
        },
        "Alias": {"Alarms": [{"Fn::GetAtt": ["Nested", "Outputs.Alarm"]}]},
    },
}
INNER: dict[str, Any] = {
    "Parameters": {"Queue": {}, "Names": {}},
    "Conditions": {},
    "Resources": {
        "Alarm": {
            "Queue": {"Ref": "Queue"},
            "Text": {"Fn::Sub": "${Queue} of ${Alarm.Arn}"},
            "List": {"Fn::Sub": ["in ${All}", {"All": {"Fn::Join": [" or ", {"Ref": "Names"}]}}]},
        }
    },
    "Outputs": {"Alarm": {"Value": {"Ref": "Alarm"}}},
}


def test_references_lead_from_each_template_into_the_other() -> None:
    assert read_as_one(OUTER, INNER, "Nested")["Resources"] == {
        "Alias": {"Alarms": [{"Ref": "Alarm"}]},
        "Alarm": {
            "Queue": {"Fn::GetAtt": ["Queue", "Arn"]},
            "Text": {"Fn::Sub": "${Queue.Arn} of ${Alarm.Arn}"},
            "List": {"Fn::Sub": "in ${One} or ${Other}"},
        },
    }


def test_a_parameter_that_is_not_given_is_refused() -> None:
    inner = {**INNER, "Parameters": {**INNER["Parameters"], "More": {}}}
    with pytest.raises(ValueError, match=r"Nested is not given \['More'\]"):
        read_as_one(OUTER, inner, "Nested")


def test_a_name_that_both_templates_have_is_refused() -> None:
    inner = copy.deepcopy(INNER)
    inner["Resources"]["Alias"] = {}
    with pytest.raises(ValueError, match=r"both templates have \['Alias'\]"):
        read_as_one(OUTER, inner, "Nested")


def test_every_parameter_of_the_nested_template_is_described_and_has_no_default() -> None:
    """A default would hide that template.yaml forgets it."""
    for name, parameter in shipped.monitoring()["Parameters"].items():
        assert parameter["Description"].endswith("."), name
        assert "Default" not in parameter, name
