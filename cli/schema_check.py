"""`provision schema check`: the files of a tenant schema, applied to a scratch tenant on a temporary stack."""

import re
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import psycopg2
from psycopg2.extensions import connection as Connection  # noqa: N812
from rich.console import Console

from cli.output import Shown, in_one_line, show
from local.postgres import programs
from local.stack import Stack
from provisioning import control_plane, postgres, queries
from provisioning.cluster import session as sessions
from provisioning.cluster.register import Holder
from provisioning.errors import Misconfigured
from provisioning.identity import Tenant, new_tenant_id
from provisioning.tenant import extensions, making, schema, schema_files
from provisioning.tenant.schema_files import SchemaFile

QUERIES = queries.load(__file__)
REPEATED = "cannot be repeated, as an attempt after an interrupted one must: "


class _Thing(NamedTuple):
    kind: str
    name: str
    detail: str


class Fault(NamedTuple):
    """What is wrong with a file: where, and in PostgreSQL's words."""

    place: str
    sentence: str


def check(directory: Path, console: Console, *, as_json: bool = False) -> bool:
    """Print what a tenant of these files will have, or the first fault of a file. Return whether there is none."""
    files = schema_files.load(directory)
    if not files:
        raise Misconfigured(f"{directory} has no .sql file")
    applied: list[SchemaFile] = []
    found: list[_Thing] = []
    with scratch_tenant() as connection:
        fault = None
        for file in files:
            fault = apply(connection, file)
            if fault is not None:
                break
            applied.append(file)
        else:
            found = sessions.fetch(connection, _Thing, QUERIES["find_what_a_tenant_has"])
    document = {
        "files": [{"file": file.path.name, "in_a_transaction": not file.is_marked} for file in applied],
        "fault": fault,
        "things": found,
    }
    show(document, *_told(applied, fault, found), as_json=as_json, out=console)
    return fault is None


def _told(applied: list[SchemaFile], fault: Fault | None, found: list[_Thing]) -> Iterator[Shown]:
    for file in applied:
        yield f"{file.path.name} applied{' in no transaction' if file.is_marked else ''}"
    if fault is not None:
        yield f"{fault.place}: {fault.sentence}"
    for kind, things in groupby(found, lambda one: one.kind):
        yield ""
        yield f"{kind}s"
        yield from (
            f"  {in_one_line(one.name)}{f': {in_one_line(one.detail)}' if one.detail else ''}" for one in things
        )


@contextmanager
def scratch_tenant() -> Iterator[Connection]:
    """Yield a session of a new tenant with its extensions and without a file; the stack is gone afterwards."""
    with (
        tempfile.TemporaryDirectory(prefix="provisioner-") as state,
        Stack(Path(state), fsync=False),
    ):
        (cluster,) = control_plane.connect().clusters()
        holder = Holder(str(uuid.uuid4()), "schema check", None)
        tenant = Tenant(new_tenant_id(), cluster, "making", holder.job_id, None, None, None, datetime.now(UTC))
        document = making.make_database(tenant, holder, lambda: None).document
        with closing(schema.connect(document)) as connection:
            schema.prepare(connection)
            extensions.ensure(connection, cluster, tenant.names.database)
            yield connection


def apply(connection: Connection, file: SchemaFile) -> Fault | None:
    """Apply a file as a tenant's job does, one that is marked twice, and return its fault."""
    try:
        schema.apply(connection, file)
    except psycopg2.Error as error:
        return Fault(place(connection, file, error), postgres.describe(error))
    if file.is_marked:
        try:
            schema.repeat(connection, file)
        except psycopg2.Error as error:
            return Fault(place(connection, file, error), REPEATED + postgres.describe(error))
    return None


def place(connection: Connection, file: SchemaFile, error: psycopg2.Error) -> str:
    """Return the file and the line: of the character that PostgreSQL points to, or else the statement's last."""
    position = int(error.diag.statement_position or 0)
    if not file.is_marked:
        position -= len(schema.before(file).as_string(connection))
    if 0 < position <= len(file.text):
        return f"{file.path}:{file.line_of(position)}"
    line = _last_line(connection, file, error.pgcode)
    return f"{file.path}:{line}" if line else str(file.path)


def _last_line(connection: Connection, file: SchemaFile, sqlstate: str | None) -> str | None:
    """Return the last line of the statement that fails; psql sends a file statement by statement and says so."""
    psql = programs() / "psql"
    info = connection.info
    options = ["-v", "ON_ERROR_STOP=1", "-v", "VERBOSITY=sqlstate", *(["-1"] if not file.is_marked else [])]
    done = subprocess.run(  # noqa: S603 (the stack's own PostgreSQL; the whole file was parsed as SQL before)
        [psql, "-Xq", *options, "-f", str(file.path)],
        env={
            "PGHOST": info.host,
            "PGPORT": str(info.port),
            "PGUSER": info.user,
            "PGPASSWORD": info.password,
            "PGDATABASE": info.dbname,
            "LC_ALL": "C",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    found = re.search(rf"^psql:{re.escape(str(file.path))}:(\d+): ERROR: +{sqlstate}$", done.stderr, re.MULTILINE)
    return found[1] if found else None
