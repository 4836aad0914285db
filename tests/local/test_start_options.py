"""A start that finds a stack running with other options says which, and how to apply its own."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from local import state
from local.exit_codes import ExitCode
from local.start_options import Given, what_differs
from tests.cli.test_exits import provision


@pytest.fixture
def running(tmp_path: Path) -> Path:
    """The state of a stack at port 8083 with the usual options, and with an external Storage."""
    facts = {"endpoint_url": "http://127.0.0.1:8083", "ports": {"aws": 8083}, "time_scale": 1.0}
    state.write(tmp_path, **facts, state_machine_arn="arn", environment={})
    external = {"url": "http://s", "adapter": "supabase-storage", "public_url": ""}
    (tmp_path / "services.json").write_text(json.dumps({"storage": external}))
    return tmp_path


def given(port: int | None = None, time_scale: float = 1.0, *services: str, containers: bool = False) -> Given:
    return Given(port, time_scale, containers, services)


@pytest.mark.parametrize(
    "same",
    [given(), given(8083), given(0), given(None, 1.0, "--storage-url", "http://s")],
)
def test_the_same_options_differ_in_nothing(running: Path, same: Given) -> None:
    assert what_differs(running, same) == ""


@pytest.mark.parametrize(
    ("other", "now", "again"),
    [
        (given(9000), "--port 8083", "--port 9000"),
        (given(None, 0.5), "--time-scale 1", "--time-scale 0.5"),
        (given(containers=True), "no --containers", "--containers"),
        (given(None, 1.0, "--storage-url", "http://o"), "--storage-url http://s", "--storage-url http://o"),
        (given(None, 1.0, "--auth-url", "http://a"), "no --auth-url", "--auth-url http://a"),
        (
            given(None, 1.0, "--storage-token-file", "a b"),
            "--storage-token-file of the last start",
            "--storage-token-file 'a b'",
        ),
    ],
)
def test_other_options_are_named_with_the_way_to_apply_them(running: Path, other: Given, now: str, again: str) -> None:
    said = f", with other options: {now}. To apply yours: provision down, then provision up {again}"
    assert what_differs(running, other) == said


@pytest.fixture
def started(tmp_path: Path) -> Iterator[Path]:
    """A stack in the background whose waits are halved."""
    provision("up", "--port", "0", "--time-scale", "0.5", state=tmp_path)
    yield tmp_path
    provision("down", state=tmp_path)


@pytest.mark.slow
def test_up_finds_a_stack_with_other_options(started: Path) -> None:
    done = provision("up", state=started)
    assert (done.returncode, "with other options: --time-scale 0.5." in done.stderr) == (ExitCode.ALREADY_EXISTS, True)
    again = provision("up", "--time-scale", "0.5", state=started)
    assert (again.returncode, "other options" in again.stderr) == (ExitCode.ALREADY_EXISTS, False)
