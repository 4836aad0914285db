"""What is remembered of a request: one row, committed before its execution is started.

The row's caller, route and key are unique, so of many that send one request at once one writes it, and the others wait
for that. The id of its job, which is its execution's name, derives from the same three: whoever repeats a request
starts the execution under that name, if it does not exist, and Step Functions starts a name once. StartExecution with
the name and input of a running execution answers like the first call; a name that is taken otherwise is
ExecutionAlreadyExists, until 90 days after the execution has closed:
https://docs.aws.amazon.com/step-functions/latest/apireference/API_StartExecution.html
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any, NamedTuple

from provisioning import control_plane, queries
from provisioning.control_plane import BEGIN, COMMIT, ControlPlane
from provisioning.errors import ControlPlaneUnavailable, InvalidPayload
from provisioning.requests.caller import Caller
from provisioning.requests.refusals import IdempotencyKeyReused

QUERIES = queries.load(__file__)
DAYS = 90
"""How long a request is remembered. A key that is sent later is a new one."""
LONGEST_KEY = 255
NAMESPACE = "5b6f6c1c-0f5e-4f0a-9a55-7d1f2a9c6d3e"
"""Chosen at random, so that no other program derives the same ids."""


class Request(NamedTuple):
    """A request as it is remembered: a key means something only for its caller and route."""

    caller: Caller
    route: str
    """Method and path of the route, such as "POST /v1/projects"."""
    key: str
    """Of the header Idempotency-Key: 1 to 255 printable ASCII characters."""


class Wanted(NamedTuple):
    """What a request asks for."""

    job_type: str
    project_id: str | None
    excludes: str
    """The key that only one running job may hold."""
    body: object
    """Everything that decides what is done, as JSON."""
    rolls_back: str | None = None
    """The job that the execution rolls back, if it is not a job itself."""


class Requested(NamedTuple):
    """The answer to a request: what it has started, or an earlier one like it."""

    job_id: str
    """Of the job, which is its execution's name."""
    is_repeated: bool
    """Whether an earlier request had asked for it."""


class Pending(NamedTuple):
    """A request whose job the ledger does not know yet, or whose execution rolls a job back."""

    job_id: str
    job_type: str
    project_id: str | None
    rolls_back: str | None
    principal: str
    session_name: str | None
    created_at: datetime


class Found(NamedTuple):
    """The request's row, and what the ledger has of its job and its project."""

    job_id: str
    is_same_body: bool
    is_new: bool
    """Whether this transaction has written the row."""
    is_in_ledger: bool
    project: dict[str, Any] | None
    running: str | None
    """The job that excludes this one."""


@contextmanager
def remembered(request: Request, wanted: Wanted) -> Iterator[tuple[ControlPlane, Found]]:
    """Yield the request's row, written in a transaction that is committed at the end of the block.

    If the block raises, or this process dies in it, there is no row. Raise InvalidPayload for a key that is none,
    IdempotencyKeyReused, and ControlPlaneUnavailable, after which the row may or may not be there.
    """
    if not (0 < len(request.key) <= LONGEST_KEY and request.key.isascii() and request.key.isprintable()):
        raise InvalidPayload(f"Idempotency-Key: must be 1 to {LONGEST_KEY} printable ASCII characters")
    facts = {
        "principal": request.caller.principal,
        "session_name": request.caller.session_name,
        "route": request.route,
        "key": request.key,
        "body_sha256": digest(wanted.body),
        **{name: value for name, value in wanted._asdict().items() if name != "body"},
    }
    for job_id in ids(request):
        facts["job_id"] = job_id
        control, found = control_plane.kept_or_new(lambda control: _claim(control, facts))
        with control.transaction():
            if found is None:
                raise ControlPlaneUnavailable("the control plane did not keep the request")
            if found.is_new and found.is_in_ledger:
                # The job of a request that is forgotten, because a row is older than its job.
                continue
            if not found.is_same_body:
                raise IdempotencyKeyReused(
                    f"the key was sent with another body before: use another key, or ask for the job {found.job_id}"
                )
            yield control, found
            control.execute(COMMIT)
            return


def _claim(control: ControlPlane, facts: dict[str, Any]) -> Found | None:
    return control.fetch_one(Found, BEGIN, QUERIES["claim_request"], QUERIES["find_request"], **facts)


def ids(request: Request) -> Iterator[str]:
    """Yield the ids that the request's job may get: the next one where the last is that of a forgotten request."""
    import uuid

    job_id = uuid.UUID(NAMESPACE)
    name = json.dumps([request.caller.principal, request.route, request.key])
    while True:
        job_id = uuid.uuid5(job_id, name)
        yield str(job_id)


def digest(body: object) -> bytes:
    """Return the SHA-256 of a JSON document in a canonical form: keys in the order of their code points, no white
    space, ASCII with escapes, numbers as Python writes them.

    Unlike RFC 8785, it tells 20 from 20.0. Nobody but this module compares digests.
    """
    import hashlib

    return hashlib.sha256(json.dumps(body, sort_keys=True, separators=(",", ":")).encode()).digest()


def find_pending(job_id: str) -> Pending | None:
    """Return the request that asked for a job, until the ledger knows the job; None for any other id.

    Raise ControlPlaneUnavailable.
    """
    return control_plane.connect().fetch_one(Pending, QUERIES["find_pending"], job_id=job_id)


def forget_old(control: ControlPlane, limit: int) -> None:
    """Forget requests older than 90 days, the oldest first. Raise ControlPlaneUnavailable."""
    control.execute(QUERIES["forget_old_requests"], days=DAYS, limit=limit)
