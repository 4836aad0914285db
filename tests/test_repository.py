"""The files that hold the habits: what they say is so."""

import re
import subprocess
import tomllib
from configparser import ConfigParser
from pathlib import Path

import pytest
import yaml

from local.template import REPOSITORY

BINARY = {".png"}
MAKEFILE = (REPOSITORY / "Makefile").read_text()


def tracked() -> list[str]:
    """The text files that git keeps, by path."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    return [name for name in listed.stdout.split("\0")[:-1] if not BINARY & {name[name.rfind(".") :]}]


def test_every_text_file_is_as_the_editors_are_told() -> None:
    told = ConfigParser()
    told.read_string("[root]\n" + (REPOSITORY / ".editorconfig").read_text())
    assert (told["*"]["charset"], told["*"]["end_of_line"]) == ("utf-8", "lf")
    for name in tracked():
        text = (REPOSITORY / name).read_bytes().decode()
        assert "\r" not in text, name
        assert not text or text.endswith("\n"), name
        assert not re.search(r"[ \t]$", text, re.MULTILINE), name
        assert Path(name).name == "Makefile" or not re.search(r"^\t", text, re.MULTILINE), name


def test_the_hook_before_a_commit_is_make_lint() -> None:
    (local,) = yaml.safe_load((REPOSITORY / ".pre-commit-config.yaml").read_text())["repos"]
    hooks = {stage: hook["entry"] for hook in local["hooks"] for stage in hook["stages"]}
    assert hooks == {"pre-commit": "make lint", "commit-msg": "scripts/subject"}
    assert re.search(r"^lint:", MAKEFILE, re.MULTILINE)


@pytest.mark.parametrize(("message", "is_refused"), [("x" * 72, False), ("x" * 73, True), ("", False)])
def test_a_subject_has_at_most_72_characters(tmp_path: Path, message: str, is_refused: bool) -> None:
    file = tmp_path / "message"
    file.write_text(f"{message}\n\n{'the body is as long as it likes ' * 5}\n")
    done = subprocess.run([REPOSITORY / "scripts" / "subject", file], capture_output=True, text=True, check=False)
    assert (done.returncode != 0) == is_refused
    assert ("73 characters, of at most 72" in done.stderr) == is_refused


def test_every_script_is_called_and_stops_at_an_error() -> None:
    callers = MAKEFILE + (REPOSITORY / ".pre-commit-config.yaml").read_text()
    for script in sorted((REPOSITORY / "scripts").iterdir()):
        assert f"scripts/{script.name}" in callers, script
        assert script.read_text().startswith("#!/usr/bin/env bash\n"), script
        assert "\nset -euo pipefail\n" in script.read_text(), script
        assert script.stat().st_mode & 0o111, script


def test_without_a_supported_python_the_installation_says_what_to_do(tmp_path: Path) -> None:
    command = [str(REPOSITORY / "scripts" / "install"), f"{tmp_path}/venv", "requirements.lock"]
    environment = {"PATH": "/usr/bin:/bin", "PYTHON": "python3.98 python3.99"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == (
        "No Python 3.11, 3.12 or 3.13 with venv found (tried: python3.98 python3.99)."
        " On Debian: apt-get install python3-venv.\n"
    )


def test_the_changelog_ends_at_the_version_of_the_project() -> None:
    headings = re.findall(r"^## \[([^\]]+)\]", (REPOSITORY / "CHANGELOG.md").read_text(), re.MULTILINE)
    version = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["version"]
    assert headings[:2] == ["Unreleased", version]


def test_every_decision_is_listed_by_its_title() -> None:
    folder = REPOSITORY / "docs" / "adr"
    listed = dict(re.findall(r"^- \[(.+)\]\((.+)\)$", (folder / "README.md").read_text(), re.MULTILINE))
    titles = {file.read_text().partition("\n")[0][2:]: file.name for file in folder.glob("0*.md")}
    assert listed == titles
    assert all(title.startswith(f"{int(name[:4])}. ") for title, name in titles.items())
