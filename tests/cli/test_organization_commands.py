"""provision organization shows and sets what an organization may have."""

import uuid

import pytest

from cli.app import app


def answered(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, list[str]]:
    """The exit code, and the lines of a command's output with single spaces."""
    with pytest.raises(SystemExit) as ended:
        app(["organization", *arguments])
    found = capsys.readouterr()
    return int(ended.value.code or 0), [" ".join(line.split()) for line in (found.out + found.err).splitlines()]


def test_a_limit_is_set_and_the_others_stay(deployed: str, capsys: pytest.CaptureFixture[str]) -> None:
    organization, at = f"org-{uuid.uuid4().hex[:12]}", ["--state-machine-arn", deployed]
    answered(["set", organization, "--projects", "7", "--storage-gb", "5", *at], capsys)
    answered(["set", organization, "--jobs-an-hour", "3", *at], capsys)
    expected = ["Used Limit", "projects 0 7", "jobs in the last hour 0 3", "GB of storage 0 5"]
    assert answered(["show", organization, *at], capsys) == (0, expected)


def test_a_change_of_nothing_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    code, (said,) = answered(["set", "org"], capsys)
    assert (code, said) == (
        2,
        "provision: nothing to change: give --projects, --jobs-an-hour or --storage-gb",
    )
