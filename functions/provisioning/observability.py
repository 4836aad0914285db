"""One logger and one metrics namespace for the whole service."""

import functools
import json
import logging
from types import TracebackType
from typing import Any, Literal

from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit

from provisioning import configuration
from provisioning.redaction import redact


@functools.cache
def logger() -> Logger:
    """Return the service's logger: one JSON line per fact, with the execution name as correlation id."""
    # At debug level these log requests with their headers and bodies, and so tokens and secrets.
    for library in ("urllib3", "botocore", "boto3", "yoyo"):
        logging.getLogger(library).setLevel(logging.WARNING)
    logger = Logger(log_record_order=["timestamp", "level", "message"], json_serializer=_without_secrets)
    if revision := configuration.optional("REVISION"):
        logger.append_keys(revision=revision)
    # Powertools puts Lambda's level before ours, also in its own setLevel, and the template keeps Lambda's at INFO.
    logging.getLogger(logger.service).setLevel(configuration.optional("POWERTOOLS_LOG_LEVEL", "INFO"))
    return logger


def _without_secrets(record: dict[str, Any]) -> str:
    return json.dumps(redact(record), ensure_ascii=False, default=str, separators=(",", ":"))


def describe_exception(error: BaseException) -> str:
    """Return the error's name and where it was raised, without its message, which could quote a value."""
    place: TracebackType | None = error.__traceback__
    while place is not None and place.tb_next is not None:
        place = place.tb_next
    where = f" at {place.tb_frame.f_code.co_name}:{place.tb_lineno}" if place is not None else ""
    return f"{type(error).__name__}{where}"


def count_stage(stage: str, outcome: str, seconds: float) -> None:
    """Write the metrics of one attempt (count and duration) in CloudWatch's embedded metric format.

    Once by service, stage and outcome, and once over all stages.
    """
    metrics = EphemeralMetrics()
    metrics.add_dimension(name="stage", value=stage)
    metrics.add_dimension(name="outcome", value=outcome)
    metrics.add_dimensions(service=str(metrics.service), outcome=outcome)
    metrics.add_metric(name="Attempts", unit=MetricUnit.Count, value=1)
    metrics.add_metric(name="Duration", unit=MetricUnit.Milliseconds, value=seconds * 1000)
    metrics.flush_metrics()


def count_fault(kind: Literal["attempt", "job"]) -> None:
    """Count an attempt or a job that has failed through no fault of the caller, by the revision of this version.

    The alarms on it decide whether a new version keeps its share of the traffic, so it must not count what an older
    version, a payload or an operator is to blame for.
    """
    metrics = EphemeralMetrics()
    metrics.add_dimension(name="revision", value=configuration.optional("REVISION", "none"))
    metrics.add_dimension(name="kind", value=kind)
    metrics.add_metric(name="Faults", unit=MetricUnit.Count, value=1)
    metrics.flush_metrics()


def count_failed_job(job_type: str, outcome: str) -> None:
    """Count a job that was closed without success, by outcome: failed, refused, stopped, rolled_back or
    rollback_incomplete.
    """
    metrics = EphemeralMetrics()
    metrics.add_dimension(name="job_type", value=job_type)
    metrics.add_dimension(name="outcome", value=outcome)
    metrics.add_metric(name="FailedJobs", unit=MetricUnit.Count, value=1)
    metrics.flush_metrics()


def measure_room(databases: int) -> None:
    """Record how many more databases the matching cluster with the most room could take when a job asked for one."""
    metrics = EphemeralMetrics()
    metrics.add_metric(name="ClusterRoom", unit=MetricUnit.Count, value=databases)
    metrics.flush_metrics()


def measure_pool(databases: int | None, empty: int, lost: int) -> None:
    """Record how many databases the emptiest pool still had before its refill, and how many of all pools were lost.

    `empty` are the pools that had none although they should: a pool of size 0 and a full cluster's do not count. A
    failed refill counts as an empty pool. Without a cluster there is no emptiest pool.
    """
    metrics = EphemeralMetrics()
    if databases is not None:
        metrics.add_metric(name="PoolEntries", unit=MetricUnit.Count, value=databases)
    metrics.add_metric(name="EmptyPools", unit=MetricUnit.Count, value=empty)
    metrics.add_metric(name="LostPoolEntries", unit=MetricUnit.Count, value=lost)
    metrics.flush_metrics()


def measure_undelivered(oldest_seconds: float) -> None:
    """Record how long ago the oldest event was recorded that the event bus has not taken; 0 if it has taken all."""
    metrics = EphemeralMetrics()
    metrics.add_metric(name="OldestUndeliveredEvent", unit=MetricUnit.Seconds, value=oldest_seconds)
    metrics.flush_metrics()
