"""What the HTTP API's handler costs: CPU and time of a request, beside a handler that does nothing.

`python -m bench.requests` prints a table. The handler is called in this process with the event that API Gateway makes
of a request, so neither the laptop's HTTP server nor API Gateway is in the figures, and the CPU is the handler's own,
without PostgreSQL's. A POST is the repetition of one whose job has ended: what starts a job is the job's cost.
"""

import argparse
import json
import statistics
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from local import http_api
from local.lambda_environment import Handler
from local.stack import Stack
from local.template import REPOSITORY

ACCOUNT = "123456789012"
SAMPLE = REPOSITORY / "events" / "provision_project.json"
ENDED = "succeeded"


class Measured(NamedTuple):
    """Milliseconds of one kind of request: CPU of the handler's thread, and time."""

    request: str
    cpu: float
    p50: float
    p95: float


class _Context:
    def get_remaining_time_in_millis(self) -> int:
        return 50_000


def measure(directory: Path, *, requests: int) -> list[Measured]:
    """Return what was measured on a stack in the directory, the kinds by turns."""
    from api.requests import answer_request

    key = {"HTTP_IDEMPOTENCY_KEY": str(uuid.uuid4())}
    body = json.dumps(json.loads(SAMPLE.read_text()) | {"project_id": "measured"}).encode()
    with Stack(directory, fsync=False):
        started = _ask(answer_request, _event("POST", "/v1/projects", body, key))
        job = f"/v1/jobs/{started['job_id']}"
        while _ask(answer_request, _event("GET", job))["status"] != ENDED:
            time.sleep(0.1)
        kinds: Mapping[str, tuple[Handler, Callable[[], dict[str, Any]]]] = {
            "none: a bare handler": (_answer_nothing, lambda: _event("GET", job)),
            "GET a job": (answer_request, lambda: _event("GET", job)),
            "GET the list of projects": (answer_request, lambda: _event("GET", "/v1/projects")),
            "POST a project again": (answer_request, lambda: _event("POST", "/v1/projects", body, key)),
        }
        found: dict[str, list[tuple[float, float]]] = {kind: [] for kind in kinds}
        for _ in range(requests):
            for kind, (handler, event) in kinds.items():
                found[kind].append(_timed(handler, event()))
        return list(_summarized(found))


def _event(method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None) -> dict[str, Any]:
    from api.routes import ROUTES

    asked = {"RAW_URI": path, "REQUEST_METHOD": method, **({"CONTENT_TYPE": "application/json"} if body else {})}
    return http_api.event_of(asked | dict(headers or {}), body, ACCOUNT, [route.key for route in ROUTES])


def _answer_nothing(event: dict[str, Any], context: object) -> dict[str, Any]:
    del event, context
    return {"statusCode": 200, "headers": {"Content-Type": "application/json"}, "body": "{}"}


def _ask(handler: Handler, event: dict[str, Any]) -> dict[str, Any]:
    answer = handler(event, _Context())
    if answer["statusCode"] >= 400:
        raise RuntimeError(f"a request was refused: {answer['body']}")
    found: dict[str, Any] = json.loads(answer["body"])
    return found


def _timed(handler: Handler, event: dict[str, Any]) -> tuple[float, float]:
    used, begun = time.thread_time(), time.perf_counter()
    _ask(handler, event)
    return 1000 * (time.thread_time() - used), 1000 * (time.perf_counter() - begun)


def _summarized(found: Mapping[str, Sequence[tuple[float, float]]]) -> Iterator[Measured]:
    for kind, took in found.items():
        elapsed = sorted(one for _, one in took)
        cpu = statistics.median(one for one, _ in took)
        yield Measured(kind, cpu, statistics.median(elapsed), elapsed[int(0.95 * (len(elapsed) - 1))])


def table(measured: Sequence[Measured]) -> str:
    """Return the measurements as Markdown."""
    rows = ["| request | CPU ms | p50 ms | p95 ms |", "|---|---|---|---|"]
    rows += [f"| {one.request} | {one.cpu:.2f} | {one.p50:.2f} | {one.p95:.2f} |" for one in measured]
    return "\n".join(rows)


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=500, help="of each kind")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        print(table(measure(Path(directory), requests=given.requests)))


if __name__ == "__main__":
    main()
