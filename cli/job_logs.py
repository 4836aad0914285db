"""The log lines of a job, from CloudWatch Logs: those with its id as correlation id, of every function of its stack."""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from cli import api_aws
from cli.api_client import Api
from console.logs import details_of, record_of
from local.errors import NotFound
from provisioning.redaction import redact, redact_text

AROUND = timedelta(minutes=5)
"""How long before a job is opened, and after its end, a line about it may be written: by the attempt that opens it, and
by one that nobody waits for any more.
"""
PREFIX = "/aws/lambda/"


class Line(NamedTuple):
    """A line, redacted. Details are the fields of the record other than its message."""

    at: datetime
    level: str
    stage: str
    message: str
    details: dict[str, Any]

    @property
    def text(self) -> str:
        """The line as a person reads it."""
        moment = self.at.astimezone().strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
        details = " ".join(f"{name}={_text(value)}" for name, value in self.details.items())
        return " ".join(part for part in (moment, self.level, self.stage, self.message, details) if part)


def read(api: Api, job: Mapping[str, Any], log_group: str | None = None) -> list[Line]:
    """Return the lines of a job, the oldest first. Raise NotFound if there is no log group, and what AWS refuses.

    On AWS it is the stack's group, named after it; on a laptop each function has its own.
    """
    logs, job_id = api_aws.client(api, "logs"), str(job["job_id"])
    groups = [log_group] if log_group else _groups(api, logs)
    ended = job["completed_at"]
    request = {
        "startTime": _milliseconds(datetime.fromisoformat(job["created_at"]) - AROUND),
        "endTime": _milliseconds((datetime.fromisoformat(ended) if ended else datetime.now(UTC)) + AROUND),
        # A quoted term matches anywhere, and an execution's name cannot contain quotes.
        "filterPattern": f'"{job_id}"',
    }
    found: list[Line] = []
    for group in groups:
        try:
            pages = logs.get_paginator("filter_log_events").paginate(logGroupName=group, **request)
            found += (line for page in pages for line in _of_job(job_id, page["events"]))
        except logs.exceptions.ResourceNotFoundException:
            raise NotFound(f"there is no log group {group}: --log-group names the one of the deployment") from None
    return sorted(found, key=lambda line: line.at)


def _groups(api: Api, logs: Any) -> list[str]:
    if not api.is_loopback:
        return [f"{PREFIX}{api.deployment.get('stack', '')}"]
    pages = logs.get_paginator("describe_log_groups").paginate(logGroupNamePrefix=PREFIX)
    return [group["logGroupName"] for page in pages for group in page["logGroups"]]


def _of_job(job_id: str, events: Sequence[Mapping[str, Any]]) -> Iterator[Line]:
    for event in events:
        at = datetime.fromtimestamp(event["timestamp"] / 1000, UTC)
        record = record_of(event)
        if record is None:
            yield Line(at, "", "", redact_text(event["message"].rstrip()), {})
        elif record.get("correlation_id", job_id) == job_id and "_aws" not in record:
            record = redact(record)
            level, stage, message = (str(record.get(name, "")) for name in ("level", "stage", "message"))
            yield Line(at, level, stage, message, details_of(record))


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, default=str)


def _milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)
