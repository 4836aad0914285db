"""The log lines of one attempt, from CloudWatch Logs."""

import json
import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from console.executions import in_one_line
from console.stages import Stages
from console.timeline import Attempt
from provisioning.redaction import redact, redact_text

MOST_LINES = 200
LATE_SECONDS = 2.0
"""How long after an attempt's end its last lines may still arrive."""
KEPT_ATTEMPTS = 500

FRAME = {"timestamp", "level", "message", "location", "service", "correlation_id", "xray_trace_id", "stage"}
COMPENSATION = "compensation"


@dataclass(frozen=True)
class LogLine:
    """One line, redacted. Details are the fields of the record other than its message."""

    at: datetime
    level: str
    message: str
    details: dict[str, Any]


@dataclass(frozen=True)
class Lines:
    """The lines of an attempt, or why they are not available."""

    lines: Sequence[LogLine] = ()
    problem: str = ""


class Logs:
    """Read log groups. Without a group's name, each function's is found: its own, or that of its whole stack."""

    def __init__(self, client: Any, log_group: str | None = None) -> None:
        self._client = client
        self._log_group = log_group
        self._lock = threading.Lock()
        self._groups: dict[str, str] = {}
        self._complete: OrderedDict[tuple[str, str, datetime], Lines] = OrderedDict()

    def known(self, job_id: str, _: Stages, state: str, attempt: Attempt) -> Lines | None:
        """Return the lines of an attempt if they were read before and no more can arrive."""
        with self._lock:
            return self._complete.get((job_id, state, attempt.started_at))

    def lines(self, job_id: str, stages: Stages, state: str, attempt: Attempt) -> Lines:
        """Return what was logged for the job by the attempt's function while the attempt ran, at most 200 lines."""
        if (known := self.known(job_id, stages, state, attempt)) is not None:
            return known
        late = attempt.ended_at is not None and datetime.now(UTC) > attempt.ended_at + timedelta(seconds=LATE_SECONDS)
        read = self._read(job_id, stages, state, attempt)
        if late and not read.problem:
            with self._lock:
                self._complete[job_id, state, attempt.started_at] = read
                while len(self._complete) > KEPT_ATTEMPTS:
                    self._complete.popitem(last=False)
        return read

    def _read(self, job_id: str, stages: Stages, state: str, attempt: Attempt) -> Lines:
        end = attempt.ended_at or datetime.now(UTC)
        request = {
            "startTime": int(attempt.started_at.timestamp() * 1000) - 1,
            "endTime": int((end.timestamp() + LATE_SECONDS) * 1000),
            # A quoted term matches anywhere, and an execution's name cannot contain quotes.
            "filterPattern": f'"{job_id}"',
            "limit": MOST_LINES,
        }
        for group in self._candidates(attempt.function):
            try:
                answer = self._client.filter_log_events(logGroupName=group, **request)
            except self._client.exceptions.ResourceNotFoundException:
                continue
            except (ClientError, BotoCoreError) as error:
                return Lines(problem=in_one_line(error))
            with self._lock:
                self._groups[attempt.function] = group
            return Lines(list(_of_state(_expected(stages, state), job_id, attempt, answer["events"])))
        return Lines(problem="CloudWatch Logs has no group for this function yet.")

    def _candidates(self, function: str) -> list[str]:
        if self._log_group:
            return [self._log_group]
        if function in self._groups:
            return [self._groups[function]]
        parts = function.split("-")
        return [f"/aws/lambda/{'-'.join(parts[:count])}" for count in range(len(parts), 0, -1)]


def record_of(event: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the record that an event of CloudWatch Logs holds, or None for a line that is none."""
    try:
        record = json.loads(event["message"])
    except (ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) else None


def details_of(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields that only some records have."""
    return {name: value for name, value in record.items() if name not in FRAME}


def _expected(stages: Stages, state: str) -> str | None:
    """Return the stage that a state's lines name, or None if they may name any."""
    return COMPENSATION if state in stages.undoes else stages.stage_of(state)


def _of_state(
    expected: str | None, job_id: str, attempt: Attempt, events: Sequence[dict[str, Any]]
) -> Iterator[LogLine]:
    """Drop what other stages of the job logged at the same time, if all share one group."""
    for event in events:
        at = datetime.fromtimestamp(event["timestamp"] / 1000, UTC)
        record = record_of(event)
        if record is None:
            yield LogLine(at, "", redact_text(event["message"].rstrip()), {})
            continue
        other_job = record.get("correlation_id", job_id) != job_id
        other_stage = expected is not None and record.get("stage") != expected and "stage" in record
        if other_job or other_stage:
            continue
        if attempt.ended_at is not None and at > attempt.ended_at and record.get("message") == "attempt started":
            # From here on the lines are the next attempt's.
            return
        record = redact(record)
        yield LogLine(at, str(record.get("level", "")), str(record.get("message", "")), details_of(record))
