"""The laptop stack where Docker's containers reach it, and SAM CLI. Nothing is skipped: make sam-test needs Docker."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from local import state
from local.containers import bridge_gateway, write_container_template
from local.stack import Stack
from local.template import REPOSITORY
from tests.conftest import TIME_SCALE
from tests.sam.start_lambda import StartLambda

SAM = REPOSITORY / ".venv-sam" / "bin" / "sam"
LAMBDA_IMAGE = "public.ecr.aws/lambda/python"
# The image that SAM CLI builds from Lambda's: the same with its runtime interface emulator.
EMULATOR_IMAGE = f"{LAMBDA_IMAGE}:3.13-rapid-x86_64"
TIMED_OUT_AFTER_SECONDS = 6


def pytest_itemcollected(item: pytest.Item) -> None:
    item.add_marker("docker")
    item.add_marker(pytest.mark.timeout(900))


def docker(*arguments: str) -> list[str]:
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=True)
    return done.stdout.split()


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A running stack that listens on the bridge's gateway."""
    before = set(docker("ps", "--all", "--quiet")), set(docker("images", "--quiet", EMULATOR_IMAGE))
    directory = tmp_path_factory.mktemp("stack")
    with Stack(directory, time_scale=TIME_SCALE, fsync=False, bind=bridge_gateway()) as running:
        with closing(running.postgres.connect("control_plane")) as superuser, superuser.cursor() as cursor:
            cursor.execute("UPDATE control_plane.clusters SET capacity = 100000")
        yield running
    for container in set(docker("ps", "--all", "--quiet")) - before[0]:
        docker("rm", "--force", container)
    for image in set(docker("images", "--quiet", EMULATOR_IMAGE)) - before[1]:
        docker("rmi", "--force", image)


@pytest.fixture(scope="session")
def template(stack: Stack) -> Path:
    """The built template with the stack's settings, and one function with an early timeout."""
    settings = (state.read(stack.state_directory) or {})["environment"]
    path = write_container_template({**settings, **stack.aws.key.environment()})
    document = json.loads(path.read_text())
    document["Resources"]["RegisterStorageFunction"]["Properties"]["Timeout"] = TIMED_OUT_AFTER_SECONDS
    path.write_text(json.dumps(document))
    return path


@pytest.fixture(scope="session")
def sam(template: Path) -> list[str]:
    """The start of a `sam local` command, to which its options are added."""
    pull = [] if docker("images", "--quiet", f"{LAMBDA_IMAGE}:3.13-x86_64") == [] else ["--skip-pull-image"]
    return [str(SAM), "local", "{command}", "--template", str(template), "--region", "us-east-1", *pull]


@pytest.fixture(scope="session")
def start_lambda(sam: list[str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartLambda]:
    """A `sam local start-lambda` that keeps its containers from event to event."""
    log = tmp_path_factory.mktemp("sam") / "start-lambda.log"
    command = [part.format(command="start-lambda") for part in sam]
    with StartLambda([*command, "--warm-containers", "LAZY"], log) as running:
        yield running
