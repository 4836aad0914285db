"""What a full disk does to a checkpoint, and so to the statements that wait for one."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg2
import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812

from local.postgres import SYSTEM_USER, PostgresServer
from provisioning.errors import DatabaseCreationFailed
from provisioning.postgres import translate


@pytest.fixture
def disk(server: PostgresServer) -> Iterator[Path]:
    """A small disk for the server's prepared transactions, which the next checkpoint writes."""
    directory = server.directory / "data" / "pg_twophase"
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(directory)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("only root can mount a small disk")
    shutil.chown(directory, SYSTEM_USER, SYSTEM_USER)
    yield directory
    subprocess.run(["umount", directory], check=True)


@pytest.fixture
def session(server: PostgresServer, disk: Path) -> Iterator[Connection]:
    """A session of that server, which has a database."""
    with closing(server.connect()) as opened:
        execute(opened, "CREATE DATABASE made_before")
        yield opened
        execute(opened, "DROP DATABASE IF EXISTS made_before")


def execute(session: Connection, statement: str) -> None:
    with session.cursor() as cursor:
        cursor.execute(statement)


@pytest.mark.parametrize("statement", ["DROP DATABASE made_before", "CREATE DATABASE made STRATEGY file_copy"])
def test_a_checkpoint_that_a_full_disk_refuses_is_transient(disk: Path, session: Connection, statement: str) -> None:
    filler = disk / "filler"
    filler.write_bytes(bytes(shutil.disk_usage(disk).free))
    execute(session, "BEGIN; CREATE TABLE never (n int); PREPARE TRANSACTION 'of_a_test'")
    with pytest.raises(psycopg2.Error, match="checkpoint request failed") as failed:
        execute(session, statement)
    assert failed.value.pgcode == "XX000"
    assert type(translate(failed.value, DatabaseCreationFailed)) is DatabaseCreationFailed
    filler.unlink()
    execute(session, statement)
    execute(session, "DROP DATABASE IF EXISTS made")
    execute(session, "ROLLBACK PREPARED 'of_a_test'")
