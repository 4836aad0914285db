"""CONTRIBUTING.md is correct: its recipes are tried beside this file, and what it names exists."""

import re

import pytest

from local.template import REPOSITORY
from tests.recipes.contributing import PAGE, PLACEHOLDER, recipe, section, titles

SAMPLE = {"TYPE": "suspend_project", "THING": "access", "HANDLER": "suspend_access", "NAME": "name", "NNNN": "0001"}


def test_every_recipe_is_tried() -> None:
    tried = {
        found
        for file in (REPOSITORY / "tests" / "recipes").glob("test_add_*.py")
        for found in re.findall(r'recipe\("(.+?)"', file.read_text())
    }
    assert tried == set(titles())


@pytest.mark.parametrize("title", titles())
def test_a_recipe_names_files_and_what_must_pass(title: str) -> None:
    named = recipe(title, SAMPLE)
    assert named.files
    assert named.tests
    assert len(named.files) == len(set(named.files))


@pytest.mark.parametrize("title", titles())
def test_what_a_recipe_names_without_a_placeholder_is_there(title: str) -> None:
    named = re.findall(
        r"(?<![\w/])[\w.]+/[\w./]*", " ".join(re.findall(r"`[^`]+`|^\$ .*$", section(title), re.MULTILINE))
    )
    paths = [path for path in named if not PLACEHOLDER.search(path)]
    assert paths
    assert [path for path in paths if not (REPOSITORY / path).exists()] == []


def test_every_target_exists() -> None:
    targets = set(re.findall(r"^([\w.-]+):", (REPOSITORY / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"`make ([\w-]+)`", PAGE)) <= targets


def test_every_link_leads_into_the_repository() -> None:
    links = re.findall(r"\]\(([^)#]+)\)", PAGE)
    assert links
    assert [link for link in links if not (REPOSITORY / link).exists()] == []
