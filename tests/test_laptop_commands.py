"""The commands for the laptop in README and docs run as they stand, page by page, each on a stack of its own."""

import re
import shlex
from pathlib import Path

import pytest
from botocore import xform_name

from local import access_key
from local.aws_client import make_client
from local.template import REPOSITORY
from tests.cli.pseudo_terminal import PROVISION, Shown, environment, show

PAGES = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").rglob("*.md"))]
NOT_RUN = {
    "provision console": "serves until it is interrupted; tests/console runs it",
    "provision up --containers": "needs Docker; tests/sam runs it",
    "provision sam-template": "needs the build; tests/sam runs it",
    "sam local invoke": "needs Docker; tests/sam runs it for every function",
    "curl": "needs the program; tests/api/test_on_a_laptop.py runs it",
    "make build": "make sam-test begins with it",
    "make bench": "needs an idle machine; tests/test_bench_run.py runs it with one round",
}
"""How the commands begin that are not run here, and why."""
CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
"""What colours text, and moves the cursor."""
RUN_BY_CI = set(re.findall(r"^ *part make ([\w.-]+)", (REPOSITORY / ".ci" / "run").read_text(), re.MULTILINE))
"""The targets of make that need no run here either."""


def commands(page: Path) -> list[str]:
    """The commands of a page in the order of the page, `.venv/bin/` left out."""
    blocks = re.findall(r"^ *```console\n(.*?)^ *```$", page.read_text(), re.MULTILINE | re.DOTALL)
    lines = [line.strip() for block in blocks for line in block.splitlines()]
    return [re.sub(r"^\.venv(-sam)?/bin/", "", line[2:]) for line in lines if line.startswith("$ ")]


def why_not_run(command: str) -> str | None:
    """Return why a command is not run here, or None for one that is."""
    target = re.match(r"make ([\w.-]+)", command)
    if target and target[1] in RUN_BY_CI:
        return "CI runs it"
    return next((why for beginning, why in NOT_RUN.items() if command.startswith(beginning)), None)


def page_name(page: Path) -> str:
    return str(page.relative_to(REPOSITORY))


RUN = {page: [command for command in commands(page) if not why_not_run(command)] for page in PAGES}


def test_readme_and_operations_have_commands_that_run() -> None:
    assert {"README.md", "docs/operations.md"} <= {page_name(page) for page, run in RUN.items() if run}


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_every_command_can_run_here_or_is_on_the_list(page: Path) -> None:
    unknown = [command for command in RUN[page] if not re.match(r"provision |cp |rm |(\w+=\S+ )*aws ", command)]
    assert unknown == [], "run it here, or say in NOT_RUN why not"


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("columns", [60, 120])
@pytest.mark.parametrize("page", [page for page, run in RUN.items() if run], ids=page_name)
def test_the_commands_of_a_page_run_in_a_terminal(page: Path, columns: int, tmp_path: Path) -> None:
    (tmp_path / "events").symlink_to(REPOSITORY / "events")
    job = endpoint = ""
    try:
        for command in RUN[page]:
            # The port of the page may be taken here.
            here = command.replace("JOB", job).replace("http://127.0.0.1:8083", endpoint)
            here = here.replace("provision up", "provision up --port 0")
            if " aws " in f" {here}":
                send_to_aws(here, tmp_path)
                continue
            done = run(here, tmp_path, columns)
            said = CONTROL.sub("", "\n".join(done.lines))
            is_refused = "nothing to roll back" in said and here.startswith("provision rollback")
            assert is_refused or done.code == 0, f"{here}\n{said}"
            if here.startswith("provision create"):
                (job,) = re.findall(r"^Job (\S+)$", said, re.MULTILINE)
            elif here.startswith("provision up"):
                (endpoint,) = re.findall(r"^The stack is up: (\S+)$", said, re.MULTILINE)
    finally:
        run("provision down", tmp_path, columns)


def run(command: str, directory: Path, columns: int) -> Shown:
    """Run a command of a page, `provision` from this tree, in a terminal of that many columns."""
    words = shlex.split(command, comments=True)
    program = [*PROVISION, *words[1:]] if words[0] == "provision" else words
    variables = environment(TERM="xterm")
    del variables["PROVISIONER_STATE_DIR"]
    return show(columns=columns, variables=variables, command=program, directory=directory)


def send_to_aws(command: str, directory: Path) -> None:
    """Send what the AWS CLI would send to the laptop stack, which does not bring that CLI."""
    setting, aws, profile, name, service, operation, *rest = shlex.split(command)
    file = setting.removeprefix("AWS_SHARED_CREDENTIALS_FILE=")
    assert (aws, profile, name) == ("aws", "--profile", access_key.PROFILE)
    options = dict(zip(rest[::2], rest[1::2], strict=True))
    client = make_client(service, options.pop("--endpoint-url"), access_key.read((directory / file).parent))
    assert options.pop("--region") == client.meta.region_name
    method = operation.replace("-", "_")
    model = client.meta.service_model.operation_model(client.meta.method_to_api_mapping[method])
    names = {f"--{xform_name(name, '-')}": name for name in model.input_shape.members}
    values = {
        names[option]: (directory / value.removeprefix("file://")).read_text() if "file://" in value else value
        for option, value in options.items()
    }
    getattr(client, method)(**values)
