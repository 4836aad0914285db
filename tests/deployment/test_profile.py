"""samconfig.toml's profile for the first deployment, and the list of parameters in docs/operations.md."""

import re
import tomllib

from local.template import REPOSITORY
from tests import shipped

PARAMETERS = shipped.template()["Parameters"]
PROFILES = tomllib.loads((REPOSITORY / "samconfig.toml").read_text())
GIVEN = dict(one.split("=", 1) for one in PROFILES["first"]["deploy"]["parameters"]["parameter_overrides"])
PAGE = (REPOSITORY / "docs" / "operations.md").read_text()


def test_the_first_deployment_gives_every_parameter_that_has_no_default() -> None:
    without = {name for name, one in PARAMETERS.items() if "Default" not in one}
    assert without <= set(GIVEN) <= set(PARAMETERS)


def test_every_example_is_a_value_that_the_template_takes() -> None:
    for name, value in GIVEN.items():
        parameter = PARAMETERS[name]
        assert re.search(parameter.get("AllowedPattern", ""), value), name
        if parameter["Type"] == "Number":
            assert parameter["MinValue"] <= int(value) <= parameter["MaxValue"]


def test_the_profile_deploys_as_the_default_one_does() -> None:
    """SAM CLI reads one environment of its file, and nothing of another."""
    default, first = (PROFILES[one]["deploy"]["parameters"] for one in ("default", "first"))
    assert {name: first[name] for name in default} == default
    assert first["stack_name"] == PROFILES["default"]["global"]["parameters"]["stack_name"]


def test_the_page_says_where_every_parameter_comes_from() -> None:
    rows = re.findall(r"^   \| (`\w+`(?:, `\w+`)*) \|", PAGE, re.MULTILINE)
    listed = [name for row in rows for name in re.findall(r"`(\w+)`", row)]
    assert sorted(listed) == sorted(PARAMETERS)
    assert len(set(listed)) == len(listed)
