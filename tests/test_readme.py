"""README and docs/ say what is so: their blocks are what the code, the samples and a run of them show."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from cli.app import app
from local.stack import Stack
from local.template import REPOSITORY
from provisioning.jobs.export_project import EXPORT_PROJECT
from provisioning.jobs.resume_project import RESUME_PROJECT
from provisioning.jobs.suspend_project import SUSPEND_PROJECT
from tests.mermaid_text import mermaid

README = (REPOSITORY / "README.md").read_text()
PAYLOAD = (REPOSITORY / "docs" / "payload.md").read_text()
ARCHITECTURE = (REPOSITORY / "docs" / "architecture.md").read_text()
PAGES = [*sorted(REPOSITORY.glob("*.md")), *sorted((REPOSITORY / "docs").rglob("*.md"))]


def blocks(page: str, language: str) -> list[str]:
    """Return a page's fenced blocks of a language, in order."""
    return re.findall(rf"^```{language}\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)


def shape(value: Any) -> Any:
    """Return the structure of a document without its values."""
    if isinstance(value, dict):
        return {key: shape(inner) for key, inner in value.items()}
    return [shape(inner) for inner in value] if isinstance(value, list) else type(value).__name__


def test_the_payload_is_the_sample_event() -> None:
    payload, *_ = blocks(PAYLOAD, "json")
    assert json.loads(payload) == json.loads((REPOSITORY / "events" / "provision_project.json").read_text())


def test_the_result_has_the_shape_of_a_real_one(stack: Stack, project_id: str) -> None:
    payload, result, *_ = map(json.loads, blocks(PAYLOAD, "json"))
    described = stack.run(payload | {"project_id": project_id, "organization_id": "org-test", "owner_id": "user-test"})
    assert shape(json.loads(described["output"])) == shape(result)


def test_the_results_of_jobs_on_a_tenant_have_the_shape_of_real_ones(stack: Stack, project_id: str) -> None:
    payload, _, suspended, resumed, exported = map(json.loads, blocks(PAYLOAD, "json"))
    stack.run(payload | {"project_id": project_id, "organization_id": "org-test", "owner_id": "user-test"})
    results = ((SUSPEND_PROJECT, suspended), (RESUME_PROJECT, resumed), (EXPORT_PROJECT, exported))
    for declared, result in results:
        described = stack.run({"project_id": project_id}, job_type=declared.job_type)
        assert shape(json.loads(described["output"])) == shape(result)


def test_the_picture_is_the_state_machine() -> None:
    (picture,) = blocks(ARCHITECTURE, "mermaid")
    definition = yaml.safe_load((REPOSITORY / "statemachine" / "provision_project.asl.yaml").read_text())
    assert picture == mermaid(definition)


def test_the_stage_is_an_excerpt_of_the_code() -> None:
    (stage,) = blocks(README, "python")
    code = (REPOSITORY / "functions" / "stages" / "database.py").read_text()
    for excerpt in stage.split("\n\n\n"):
        assert excerpt.strip() in code


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_every_link_leads_to_a_file(page: Path) -> None:
    links = re.findall(r"\]\(([^)#:]+)\)", page.read_text())
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_the_answers_of_the_ways_in_are_those_of_a_run() -> None:
    verified = json.loads(re.findall(r'^\{"job_id".*', README, re.MULTILINE)[0])
    event = json.loads((REPOSITORY / "events" / "functions" / "verify_project.json").read_text())
    tenant_id = verified.pop("tenant_id")
    assert re.fullmatch(r"[a-z]{20}", tenant_id)
    assert verified == {"job_id": event["job_id"], "project_id": event["payload"]["project_id"]}


def test_every_command_exists() -> None:
    known = {
        command.name or command.callback.__name__.replace("_", "-")
        for command in app.registered_commands
        if command.callback
    }
    known |= {group.name for group in app.registered_groups if group.name}
    named = set(re.findall(r"provision ([\w-]+)", " ".join(re.findall(r"`provision [^`]+`|bin/provision .*", README))))
    assert named - known == set()


def test_every_target_exists() -> None:
    targets = set(re.findall(r"^([\w.-]+):", (REPOSITORY / "Makefile").read_text(), re.MULTILINE))
    assert (
        set(re.findall(r"\bmake ([\w.-]+)", " ".join(re.findall(r"`make [^`]+`|\$ make .*", README)))) - targets
        == set()
    )


def test_the_layout_names_every_folder() -> None:
    table = README[README.index("## Layout") :]
    named = set(re.findall(r"^\| `([\w/.]+)`", table, re.MULTILINE))
    tracked = {path.name + "/" for path in REPOSITORY.iterdir() if path.is_dir() and not path.name.startswith(".")}
    assert {name.split("/")[0] + "/" for name in named if name.endswith("/")} == tracked - {"__pycache__/"}
