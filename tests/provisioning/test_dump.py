"""pg_dump as a child process: parts of a bounded size, nothing after a failure, and nobody left behind."""

import os
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from provisioning.aws.objects import PART_BYTES
from provisioning.errors import ExportFailed, ExportRefused, Misconfigured
from provisioning.exports.dump import Dump, Source, refusal, version

DOCUMENT = {"host": "h", "port": 1, "dbname": "d", "username": "u", "password": "a-password"}
SOURCE = Source(DOCUMENT, "owner", "snapshot", ['of "a" service'], 180006)
MINUTE = 60.0

Program = Callable[[str], Path]


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Program:
    """Make a program that stands for pg_dump."""

    def make(script: str) -> Path:
        file = tmp_path / "pg_dump"
        file.write_text(f"#!/bin/sh\n{script}\n")
        file.chmod(0o755)
        monkeypatch.setenv("PG_DUMP", str(file))
        return file

    return make


def test_a_dump_comes_in_parts_of_one_size_and_memory_is_bounded_by_it(program: Program) -> None:
    size = 6 * PART_BYTES + 7
    program(f"head -c {size} /dev/zero")
    tracemalloc.start()
    try:
        with Dump(SOURCE, time.monotonic() + MINUTE) as dump:
            sizes = [len(part) for part in dump.parts() if part]
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert sizes == [*[PART_BYTES] * 6, 7]
    assert PART_BYTES >= 5 * 1024 * 1024, "S3 takes no smaller one but the last"
    assert peak < 4 * PART_BYTES


def test_the_last_part_comes_only_after_exit_code_0(program: Program) -> None:
    program("echo data; exit 3")
    found: list[bytes] = []
    with Dump(SOURCE, time.monotonic() + MINUTE) as dump, pytest.raises(ExportFailed, match="exit code 3"):
        found += [part for part in dump.parts() if part]
    assert found == []


def test_a_dump_that_says_nothing_is_watched_and_ended_with_its_time(program: Program, tmp_path: Path) -> None:
    program(f"echo $$ > {tmp_path}/pid; exec sleep 600")
    found = list[bytes]()
    with Dump(SOURCE, time.monotonic() + 3) as dump, pytest.raises(ExportFailed, match="within the time"):
        found.extend(dump.parts())
    assert set(found) == {b""}
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


def test_leaving_the_block_ends_a_dump_that_nobody_reads(program: Program, tmp_path: Path) -> None:
    program(f"echo $$ > {tmp_path}/pid; exec cat /dev/zero")
    with Dump(SOURCE, time.monotonic() + MINUTE) as dump:
        dump.wait_for_first()
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


def test_the_environment_is_what_libpq_needs_and_nothing_of_the_functions(program: Program, tmp_path: Path) -> None:
    os.environ["AWS_OF_A_TEST"] = "a-secret"
    program(f'env > {tmp_path}/env; echo "$@" > {tmp_path}/arguments')
    try:
        with Dump(SOURCE, time.monotonic() + MINUTE) as dump:
            list(dump.parts())
    finally:
        del os.environ["AWS_OF_A_TEST"]
    environment = (tmp_path / "env").read_text()
    assert "a-secret" not in environment
    assert "PGPASSWORD=a-password\n" in environment
    assert "search_path=pg_catalog" in environment
    arguments = (tmp_path / "arguments").read_text()
    assert "a-password" not in arguments
    assert "--enable-row-security" not in arguments
    assert '--exclude-schema="of ""a"" service"' in arguments


@pytest.mark.parametrize(
    ("words", "error"),
    [
        ('ERROR:  query would be affected by row-level security policy for table "x"', ExportRefused),
        ("ERROR:  permission denied for table x", ExportRefused),
        ("pg_dump: error: aborting because of server version mismatch", ExportRefused),
        ("ERROR:  canceling statement due to lock timeout", ExportFailed),
        ("DETAIL: a-secret", ExportFailed),
    ],
)
def test_of_what_pg_dump_says_only_known_words_are_repeated(words: str, error: type[Exception]) -> None:
    found = refusal(1, f"pg_dump: detail: a-secret\n{words}\na-secret")
    assert type(found) is error
    assert "a-secret" not in str(found)


@pytest.mark.parametrize(("version_of_server", "is_set"), [(160009, False), (170000, True)])
def test_a_timeout_of_transactions_is_switched_off_where_there_is_one(version_of_server: int, *, is_set: bool) -> None:
    """An older server refuses a connection that asks for it."""
    options = SOURCE._replace(server_version=version_of_server).environment()["PGOPTIONS"]
    assert ("-c transaction_timeout=0" in options) is is_set
    assert "-c statement_timeout=0" in options


def test_without_a_program_the_setting_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PG_DUMP", "/nowhere/pg_dump")
    for attempt in (lambda: Dump(SOURCE, time.monotonic() + MINUTE), version):
        with pytest.raises(Misconfigured, match="PG_DUMP names it"):
            attempt()
