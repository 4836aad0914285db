"""The programs of docs/automation.md run as they stand against a laptop stack, and a second run makes nothing new."""

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from local.template import REPOSITORY
from tests.test_readme import blocks

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

PAGE = (REPOSITORY / "docs" / "automation.md").read_text()


class Laptop:
    """A directory with the page's programs, `provision` of this tree on its path, and a stack."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        ensure, read = blocks(PAGE, "sh")
        (python,) = blocks(PAGE, "python")
        for name, text in (
            ("ensure-project.sh", ensure),
            ("read-project.sh", read),
            ("ensure_project.py", python),
            ("provision", f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m cli.app "$@"\n'),
        ):
            (directory / name).write_text(text)
            (directory / name).chmod(0o700)
        self.environment = {
            name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "PROVISIONER_"))
        } | {
            "PATH": os.pathsep.join([str(directory), str(Path(sys.executable).parent), os.environ["PATH"]]),
            "PYTHONPATH": os.pathsep.join([str(REPOSITORY), str(REPOSITORY / "functions")]),
            "AWS_SHARED_CREDENTIALS_FILE": ".provisioner/credentials",
            "AWS_PROFILE": "laptop",
            "AWS_REGION": "us-east-1",
        }

    def run(self, *command: str, stdin: str = "", **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            cwd=self.directory,
            env=self.environment | variables,
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
        )

    def output(self, *command: str, **given: str) -> Any:
        """Return the document that a command prints, which has to succeed."""
        done = self.run(*command, **given)
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout)

    def job_ids(self, project_id: str) -> list[str]:
        return [job["job_id"] for job in self.output("provision", "jobs", project_id, "--json")["jobs"]]


@pytest.fixture(scope="module")
def laptop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Laptop]:
    made = Laptop(tmp_path_factory.mktemp("automation"))
    try:
        up = made.run("provision", "up", "--port", "0")
        assert up.returncode == 0, up.stderr
        yield made
    finally:
        made.run("provision", "down")


def endpoint(laptop: Laptop) -> str:
    stack = json.loads((laptop.directory / ".provisioner" / "stack.json").read_text())
    return str(stack["endpoint_url"])


def test_a_second_run_of_the_shell_script_makes_nothing_new(laptop: Laptop) -> None:
    command = ("sh", "ensure-project.sh", "shop-shell", "acme", "alice")
    first = laptop.output(*command)
    jobs = laptop.job_ids("shop-shell")
    assert (first["status"], len(jobs)) == ("active", 1)
    assert laptop.output(*command) == first
    assert laptop.job_ids("shop-shell") == jobs


def test_the_shell_script_takes_a_project_that_somebody_else_has_made(laptop: Laptop) -> None:
    made = laptop.run("provision", "create", "shop-other", "--org", "acme", "--owner", "alice")
    assert made.returncode == 0, made.stderr
    jobs = laptop.job_ids("shop-other")
    assert laptop.output("sh", "ensure-project.sh", "shop-other", "acme", "alice")["status"] == "active"
    assert laptop.job_ids("shop-other") == jobs


def test_the_shell_script_ends_with_the_code_of_a_refused_payload(laptop: Laptop) -> None:
    refused = laptop.run("sh", "ensure-project.sh", "no good", "acme", "alice")
    assert (refused.returncode, refused.stdout) == (2, "")


def test_a_second_run_of_the_python_script_makes_nothing_new(laptop: Laptop) -> None:
    command = (sys.executable, "ensure_project.py", "shop-python", "acme", "alice")
    address = endpoint(laptop)
    first = laptop.output(*command, PROVISIONER_ENDPOINT=address)
    jobs = laptop.job_ids("shop-python")
    assert (first["status"], len(jobs)) == ("active", 1)
    assert laptop.output(*command, PROVISIONER_ENDPOINT=address) == first
    assert laptop.job_ids("shop-python") == jobs


def test_the_python_script_takes_a_project_that_somebody_else_has_made(laptop: Laptop) -> None:
    made = laptop.run("provision", "create", "shop-taken", "--org", "acme", "--owner", "alice")
    assert made.returncode == 0, made.stderr
    command = (sys.executable, "ensure_project.py", "shop-taken", "acme", "alice")
    jobs = laptop.job_ids("shop-taken")
    assert laptop.output(*command, PROVISIONER_ENDPOINT=endpoint(laptop))["status"] == "active"
    assert laptop.job_ids("shop-taken") == jobs


def test_the_program_for_terraform_prints_an_object_of_strings(laptop: Laptop) -> None:
    made = laptop.run("provision", "create", "shop", "--org", "acme", "--owner", "alice")
    assert made.returncode == 0, made.stderr
    tenant = laptop.output("provision", "show", "shop", "--json")["tenant"]
    read = laptop.output("sh", "read-project.sh", stdin='{"project_id": "shop"}')
    assert read == {name: str(tenant[name]) for name in ("tenant_id", "host", "port", "database")}


def test_the_program_for_terraform_fails_without_a_project(laptop: Laptop) -> None:
    done = laptop.run("sh", "read-project.sh", stdin='{"project_id": "nobody"}')
    assert (done.returncode, done.stdout) == (3, "")
