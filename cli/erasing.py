"""Erase the dumps of a project before their time: every version of every object, with the caller's own rights.

No function may delete a version, and the bucket's policy denies it to everybody but the role that a parameter of the
stack names. What was erased, when and by whom stays in the control plane.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Any, NamedTuple

from local.errors import Conflict, Denied, HumanError, NotFound
from provisioning import control_plane, queries
from provisioning.control_plane import ControlPlane
from provisioning.exports.names import ExportNames
from provisioning.identity import TenantNames

QUERIES = queries.load(__file__)
AT_ONCE = 1000
"""What DeleteObjects takes in a request (S3's API reference)."""


class Export(NamedTuple):
    """An export of a project: the row that the control plane keeps of it."""

    job_id: str
    tenant_id: str
    bytes: int | None
    completed_at: datetime | None
    erased_at: datetime | None
    is_running: bool

    @property
    def prefix(self) -> str:
        """How the keys of its objects begin, also of those that a removal has hidden."""
        return ExportNames(TenantNames(self.tenant_id), self.job_id).prefix


class Erased(NamedTuple):
    """What was erased of an export."""

    job_id: str
    versions: int
    """Of objects, with the delete markers that hid them."""


def find(project_id: str) -> list[Export]:
    """Return a project's exports, oldest first, those that are erased included. Raise NotFound if it has had none."""
    found = control_plane.connect().fetch_all(Export, QUERIES["find_exports"], project_id=project_id)
    if not found:
        raise NotFound(f"there is no export of the project {project_id}")
    return found


def erase(s3: Any, bucket: str, exports: list[Export], caller: str) -> Iterator[Erased]:
    """Erase the exports, and yield what was erased of each once it is on record. It can be repeated.

    Raise Conflict, before anything is erased, if one of them still runs, Denied if the bucket's policy or the caller's
    rights do not let the caller delete versions, and HumanError if S3 keeps one.
    """
    if running := next((one.job_id for one in exports if one.is_running), None):
        raise Conflict(f"the export {running} has not ended: see provision watch {running}")
    control = control_plane.connect()
    for export in exports:
        versions = _erase_versions(s3, bucket, export.prefix)
        _record(control, export, caller, versions)
        yield Erased(export.job_id, versions)


def _record(control: ControlPlane, export: Export, caller: str, versions: int) -> None:
    if versions or export.erased_at is None:
        control.execute(QUERIES["record_erased"], job_id=export.job_id, caller=caller, versions=versions)


def _erase_versions(s3: Any, bucket: str, prefix: str) -> int:
    """Delete every version and delete marker of the objects whose keys begin so, and return how many there were."""
    from botocore.exceptions import BotoCoreError, ClientError

    number = 0
    try:
        for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix=prefix):
            found = [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
            if found:
                _delete(s3, bucket, [{"Key": one["Key"], "VersionId": one["VersionId"]} for one in found])
            number += len(found)
    except ClientError as error:
        code = error.response["Error"]["Code"]
        kind = Denied if code == "AccessDenied" else HumanError
        raise kind(f"S3 answered {code}: see Export in docs/operations.md for who may erase") from error
    except BotoCoreError as error:
        raise HumanError(f"S3 cannot be called: {error}") from error
    return number


def _delete(s3: Any, bucket: str, versions: list[dict[str, str]]) -> None:
    for begin in range(0, len(versions), AT_ONCE):
        answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": versions[begin : begin + AT_ONCE], "Quiet": True})
        if refused := answer.get("Errors", []):
            # S3 answers 200 for a request of which it has deleted nothing.
            code = refused[0].get("Code", "no reason")
            kind = Denied if code == "AccessDenied" else HumanError
            raise kind(f"S3 keeps {len(refused)} versions ({code}): see Export in docs/operations.md for who may erase")
