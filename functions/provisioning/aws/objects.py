"""Objects in the bucket of exports: uploaded in parts, listed, and hidden. No version of an object is ever deleted.

A multipart upload is no object until it is completed, and completing one that was aborted fails: so an upload that was
superseded becomes no object (API reference, CompleteMultipartUpload and AbortMultipartUpload).
"""

import functools
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, NamedTuple, TypeVar

from provisioning import configuration
from provisioning.errors import ExportFailed, InsufficientPermissions, Misconfigured

Answer = TypeVar("Answer")

PART_BYTES = 16 * 1024 * 1024
"""Of each part but the last. S3 takes 10,000 parts of 5 MiB to 5 GiB, and so 160 GB of these."""

ABSENT = frozenset({"NoSuchUpload", "NoSuchKey", "404"})
TAKEN = frozenset({"PreconditionFailed", "412"})
DENIED = frozenset({"AccessDenied", "AllAccessDisabled", "403"})
WRONG = frozenset({"NoSuchBucket", "InvalidBucketName", "PermanentRedirect", "301", "KMS.NotFoundException"})


class NotFound(Exception):
    """There is no such upload or object."""


class Exists(Exception):
    """The key has an object already."""


class Upload:
    """An upload in parts, of which one is in memory at a time. It becomes an object only by complete()."""

    def __init__(self, key: str) -> None:
        """Begin an upload. Raise ExportFailed, Misconfigured and InsufficientPermissions, as every method does."""
        self.key = key
        self.bytes = 0
        """How many were uploaded."""
        self._bucket = bucket()
        self._parts: list[dict[str, Any]] = []
        begun = _call(
            "CreateMultipartUpload",
            lambda: _client().create_multipart_upload(
                Bucket=self._bucket, Key=key, ContentType="application/octet-stream"
            ),
        )
        self._upload_id = begun["UploadId"]

    def add(self, part: bytes) -> None:
        """Upload the next part, of PART_BYTES unless it is the last."""
        number = len(self._parts) + 1
        try:
            sent = _call("UploadPart", lambda: _client().upload_part(**self._of_it, PartNumber=number, Body=part))
        except NotFound:
            raise self._aborted() from None
        self._parts.append({"PartNumber": number, "ETag": sent["ETag"]})
        self.bytes += len(part)

    def complete(self) -> None:
        """Make it an object, unless the key has one. Raise ExportFailed also if somebody has aborted it."""
        try:
            _call(
                "CompleteMultipartUpload",
                lambda: _client().complete_multipart_upload(
                    **self._of_it, MultipartUpload={"Parts": self._parts}, IfNoneMatch="*"
                ),
            )
        except (NotFound, Exists, ExportFailed) as error:
            # S3 may have completed it and its answer was lost.
            if size(self.key) != self.bytes:
                raise error if isinstance(error, ExportFailed) else self._aborted() from None

    def abort(self) -> None:
        """Give the upload up; one that is not found has been given up, or completed."""
        with suppress(NotFound):
            _call("AbortMultipartUpload", lambda: _client().abort_multipart_upload(**self._of_it))

    @property
    def _of_it(self) -> dict[str, Any]:
        return {"Bucket": self._bucket, "Key": self.key, "UploadId": self._upload_id}

    def _aborted(self) -> ExportFailed:
        return ExportFailed(f"the upload of {self.key} was aborted")


class Left(NamedTuple):
    """An unfinished upload or, without an upload_id, an object."""

    key: str
    upload_id: str | None = None


def bucket() -> str:
    """Return the bucket of exports. Raise Misconfigured."""
    return configuration.required("EXPORTS_BUCKET")


def put(key: str, body: bytes) -> None:
    """Write an object unless the key has one. Raise as Upload does."""
    request: dict[str, Any] = {"Bucket": bucket(), "Key": key, "Body": body, "ContentType": "application/json"}
    try:
        _call("PutObject", lambda: _client().put_object(**request, IfNoneMatch="*"))
    except Exists:
        # As above: an answer that was lost.
        if size(key) != len(body):
            raise ExportFailed(f"there is another object {key}") from None


def size(key: str) -> int | None:
    """Return the number of bytes of an object, or None if there is none. Raise as Upload does."""
    try:
        return int(_call("HeadObject", lambda: _client().head_object(Bucket=bucket(), Key=key))["ContentLength"])
    except NotFound:
        return None


def find(prefix: str) -> Iterator[Left]:
    """Yield the unfinished uploads and then the objects whose keys begin so. Raise as Upload does."""
    pages: list[tuple[str, str, str]] = [
        ("list_multipart_uploads", "Uploads", "UploadId"),
        ("list_objects_v2", "Contents", ""),
    ]
    for operation, listed, id_of in pages:
        for page in _pages(operation, prefix):
            for one in page.get(listed, []):
                yield Left(one["Key"], one[id_of] if id_of else None)


def remove(left: Left) -> None:
    """Abort an upload, or hide an object behind a delete marker; its version stays. Raise as Upload does."""
    with suppress(NotFound):
        if left.upload_id is None:
            _call("DeleteObject", lambda: _client().delete_object(Bucket=bucket(), Key=left.key))
        else:
            of_it: dict[str, Any] = {"Bucket": bucket(), "Key": left.key, "UploadId": left.upload_id}
            _call("AbortMultipartUpload", lambda: _client().abort_multipart_upload(**of_it))


def _pages(operation: str, prefix: str) -> list[Any]:
    pages = _client().get_paginator(operation).paginate(Bucket=bucket(), Prefix=prefix)
    return _call(operation, lambda: list(pages))


def _call(operation: str, request: Callable[[], Answer]) -> Answer:
    """Send a request and return the answer. Messages name the operation, and quote nothing of AWS's but its code."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        return request()
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if code in ABSENT:
            raise NotFound from None
        if code in TAKEN:
            raise Exists from None
        said = f"S3 answered {code} to {operation}"
        if code in DENIED:
            raise InsufficientPermissions(said) from None
        raise (Misconfigured if code in WRONG else ExportFailed)(said) from None
    except BotoCoreError as error:
        raise ExportFailed(f"S3 could not be reached ({type(error).__name__})") from None


def _client() -> Any:
    return _client_at(configuration.optional("AWS_ENDPOINT_URL"), configuration.optional("AWS_ACCESS_KEY_ID"))


@functools.cache
def _client_at(endpoint_url: str, key_id: str) -> Any:
    # A client keeps the key that it was created with (secrets_manager.py).
    del key_id
    from botocore.config import Config
    from botocore.session import get_session

    settings = Config(connect_timeout=3, read_timeout=30, retries={"mode": "standard", "max_attempts": 3})
    return get_session().create_client("s3", config=settings, endpoint_url=endpoint_url or None)
