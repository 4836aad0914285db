"""One logger and one metrics namespace for the whole service."""

import functools
import json
import logging
import time
from types import TracebackType
from typing import Any

from aws_lambda_powertools import Logger

from provisioning import configuration
from provisioning.redaction import redact


@functools.cache
def logger() -> Logger:
    """Returns the service's logger: one JSON line per fact, with the execution name as correlation id."""
    # At debug level these log requests with their headers and bodies, and so tokens and secrets.
    for library in ("urllib3", "botocore", "boto3", "yoyo"):
        logging.getLogger(library).setLevel(logging.WARNING)
    logger = Logger(log_record_order=["timestamp", "level", "message"], json_serializer=_without_secrets)
    if revision := configuration.optional("REVISION"):
        logger.append_keys(revision=revision)
    return logger


def _without_secrets(record: dict[str, Any]) -> str:
    return json.dumps(redact(record), ensure_ascii=False, default=str, separators=(",", ":"))


def describe_exception(error: BaseException) -> str:
    """Returns the error's name and where it was raised, without its message, which could quote a value."""
    place: TracebackType | None = error.__traceback__
    while place is not None and place.tb_next is not None:
        place = place.tb_next
    where = f" at {place.tb_frame.f_code.co_name}:{place.tb_lineno}" if place is not None else ""
    return f"{type(error).__name__}{where}"


def count_stage(stage: str, outcome: str, seconds: float) -> None:
    """Write count and duration of one attempt, once by service, stage and outcome, and once over all stages."""
    dimensions = [["stage", "outcome", "service"], ["service", "outcome"]]
    _write(dimensions, Attempts=("Count", 1), Duration=("Milliseconds", seconds * 1000), stage=stage, outcome=outcome)


def count_failed_job(outcome: str) -> None:
    """Write that a job was closed without success, and how: failed, rolled_back or rollback_incomplete."""
    _write([["outcome", "service"]], FailedJobs=("Count", 1), outcome=outcome)


def measure_room(databases: int) -> None:
    """Write how many more databases the cluster with the most room could take when one was asked for."""
    _write([["service"]], ClusterRoom=("Count", databases))


def measure_pool(databases: int) -> None:
    """Write how many databases the emptiest pool still had when a refill came; 0 as well where it could not look."""
    _write([["service"]], PoolEntries=("Count", databases))


def _write(dimensions: list[list[str]], **values: str | tuple[str, float]) -> None:
    """Write metrics (unit and value) and the values of their dimensions in CloudWatch's embedded metric format.

    Powertools' Metrics writes the same line at the price of a tenth of a job's own Python.
    """
    metrics = {name: value for name, value in values.items() if isinstance(value, tuple)}
    declared = {
        "Namespace": configuration.optional("POWERTOOLS_METRICS_NAMESPACE", "Provisioner"),
        "Dimensions": dimensions,
        "Metrics": [{"Name": name, "Unit": unit} for name, (unit, _) in metrics.items()],
    }
    line = {
        "_aws": {"Timestamp": time.time_ns() // 1_000_000, "CloudWatchMetrics": [declared]},
        "service": configuration.optional("POWERTOOLS_SERVICE_NAME", "provisioner"),
        **values,
        **{name: [value] for name, (_, value) in metrics.items()},
    }
    print(json.dumps(line, separators=(",", ":")))
