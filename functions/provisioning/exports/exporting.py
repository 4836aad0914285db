"""Export a tenant: dump it in a snapshot, count its rows in the same one, and make an object only when all is done.

The order is what makes a cut dump impossible: pg_dump ends with exit code 0, the login is removed, the manifest is
written, and the last request completes the upload of the dump.
"""

import hashlib
import json
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from typing import Any, NamedTuple

from provisioning import configuration
from provisioning.aws import objects
from provisioning.aws.objects import Upload
from provisioning.errors import ExportFailed, ExportRefused
from provisioning.exports import contents, login
from provisioning.exports.contents import Contents, Rows, Table
from provisioning.exports.dump import Dump, Source, version
from provisioning.exports.names import ExportNames
from provisioning.identity import Tenant
from provisioning.services import adapter_for
from provisioning.stage import Service

FORMAT = 1
"""Of the manifest."""

BYTES_A_SECOND = 10_000_000
"""Of the database's size, with the counting of rows: a third of what was measured (docs/operations.md)."""

CHECK_SECONDS = 5.0
"""How long a superseded attempt may go on dumping."""

NEVER_EXPORTED = ("roles and their passwords", "settings and privileges of the database itself", "secrets and API keys")

Check = Callable[[], None]


class Exported(NamedTuple):
    """What a stage answers, and the manifest."""

    output: dict[str, Any]
    manifest: dict[str, Any]


class _Streamed(NamedTuple):
    upload: Upload
    sha256: str
    counted: dict[Table, Rows]
    named: dict[str, Any]


def export(
    tenant: Tenant, names: ExportNames, attempt: int, services: Sequence[str], check: Check, ends_at: float
) -> Exported:
    """Export a tenant with a login of its own, before the monotonic time ends_at.

    `check` raises if the attempt is superseded. Raise ExportRefused if the tenant cannot be exported as it is,
    ExportFailed, what login.make and objects raise, and psycopg2.Error.
    """
    document = login.make(tenant, names, check, ends_at - time.monotonic())
    owner = tenant.names.owner_role
    with closing(contents.connect(document, ends_at - time.monotonic())) as session:
        found = contents.look(session, tenant.names, schemas_of(services))
        refuse_too_large(found.snapshot.bytes, ends_at - time.monotonic())
        left_out, version_of_server = [one.schema for one in found.left_out], session.server_version
        source = Source(document, owner, found.snapshot.snapshot, left_out, version_of_server)
        streamed = _stream(source, found, names.dump(attempt), check, ends_at)
    try:
        login.remove(tenant, names, check)
        login.remove_secret(names)
        manifest = _manifest(tenant, found, streamed)
        check()
        objects.put(names.manifest(attempt), json.dumps(manifest, indent=1).encode())
        check()
        streamed.upload.complete()
    except Exception:
        streamed.upload.abort()
        raise
    facts = {"bytes": streamed.upload.bytes, "sha256": streamed.sha256, "tables": len(found.tables)}
    facts["rows"] = sum(one.rows for one in streamed.counted.values())
    keys = {"dump": names.dump(attempt), "manifest": names.manifest(attempt)}
    return Exported({"bucket": objects.bucket(), **keys, **facts}, manifest)


def schemas_of(services: Sequence[str]) -> list[str]:
    """Return the schemas that the adapters of services know to be the services' own."""
    return [schema for service in services for schema in adapter_for(Service(service)).own_schemas]


def refuse_too_large(size: int, seconds: float) -> None:
    """Raise ExportRefused for a database that cannot be exported in that time, at the rate in the settings."""
    rate = int(configuration.optional("EXPORT_BYTES_PER_SECOND", str(BYTES_A_SECOND)))
    if size > rate * seconds:
        raise ExportRefused(
            f"the database has {size / 1e6:,.0f} MB, and {seconds:.0f} s at {rate / 1e6:g} MB/s"
            f" are enough for {rate * seconds / 1e6:,.0f} MB"
        )


def _stream(source: Source, found: Contents, key: str, check: Check, ends_at: float) -> _Streamed:
    """Dump into an upload that is not complete yet, and count the rows."""
    digest, checked = hashlib.sha256(), time.monotonic()
    upload = Upload(key)
    try:
        with Dump(source, ends_at) as dump:
            dump.wait_for_first()
            found.lock()
            for part in dump.parts():
                digest.update(part)
                if part:
                    upload.add(part)
                if time.monotonic() - checked > CHECK_SECONDS:
                    check()
                    checked = time.monotonic()
        return _Streamed(upload, digest.hexdigest(), _count(found, check, ends_at), found.named())
    except Exception:
        upload.abort()
        raise


def _count(found: Contents, check: Check, ends_at: float) -> dict[Table, Rows]:
    counted: dict[Table, Rows] = {}
    checked = time.monotonic()
    for table, rows in found.counted():
        counted[table] = rows
        if time.monotonic() > ends_at:
            raise ExportFailed("the rows were not counted within the time of the function")
        if time.monotonic() - checked > CHECK_SECONDS:
            check()
            checked = time.monotonic()
    return counted


def _manifest(tenant: Tenant, found: Contents, streamed: _Streamed) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "tenant_id": tenant.tenant_id,
        "project_id": tenant.project_id,
        "taken_at": found.snapshot.taken_at,
        "server_version": found.snapshot.server_version,
        "pg_dump_version": version(),
        "database": {"bytes": found.snapshot.bytes, **found.snapshot.locale},
        "dump": {"key": streamed.upload.key, "bytes": streamed.upload.bytes, "sha256": streamed.sha256},
        **streamed.named,
        "tables": [
            {"schema": table.schema, "name": table.name, **rows._asdict()} for table, rows in streamed.counted.items()
        ],
        "left_out": {"schemas": [one._asdict() for one in found.left_out], "never": list(NEVER_EXPORTED)},
    }
