"""The output of the stages: one JSON line per fact, with the execution's name, and metrics that CloudWatch can read."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

import pytest
from moto.secretsmanager.models import SecretsManagerBackend

from local.stack import Stack
from tests.conftest import NewProject
from tests.executions.running import SERVICES, Ran, keep_logs, payload_for, run
from tests.executions.stage_faults import STAGES, Fault, failing

pytestmark = pytest.mark.slow

Record = dict[str, Any]
DIMENSIONS = {
    "Attempts": [["stage", "outcome", "service"], ["service", "outcome"]],
    "Duration": [["stage", "outcome", "service"], ["service", "outcome"]],
    "FailedJobs": [["job_type", "outcome", "service"]],
    "Faults": [["revision", "kind", "service"]],
    "ClusterRoom": [["service"]],
}


@dataclass(frozen=True)
class Written:
    """Jobs in which each stage succeeded, failed and died, and everything that their functions wrote."""

    succeeded: Ran
    failed: dict[str, Ran]
    text: str
    secrets: list[str]

    @property
    def records(self) -> list[Record]:
        return [json.loads(line) for line in self.text.splitlines()]

    @property
    def facts(self) -> list[Record]:
        """What functions of jobs said: events are delivered at a job's end by a function of its own."""
        return [record for record in self.records if "_aws" not in record and record["message"] != "events delivered"]

    def metrics(self, name: str) -> Iterator[Record]:
        return (record for record in self.records if "_aws" in record and name in record)


@pytest.fixture(scope="module")
def written(stack: Stack, new_project: NewProject) -> Written:
    log = stack.state_directory / "lambda.log"
    start, failed = log.stat().st_size, {}
    keep_logs(stack)
    with secrets_made(stack) as secrets:
        succeeded = run(stack, payload_for(new_project(), *SERVICES))
        for stage, faulty in STAGES.items():
            for fault in (Fault.ERROR, Fault.CRASH):
                with failing(stack, faulty, fault):
                    failed[f"{stage} by {fault.name}"] = run(stack, payload_for(new_project(), *SERVICES))
    with log.open("rb") as output:
        output.seek(start)
        return Written(succeeded, failed, output.read().decode(), secrets)


@contextmanager
def secrets_made(stack: Stack) -> Iterator[list[str]]:
    """Yield every existing password, token and key, and those that Secrets Manager gets from now on."""
    made: list[str] = []
    client, real = stack.client("secretsmanager"), SecretsManagerBackend._add_secret

    def collect(document: dict[str, Any]) -> None:
        made.extend(key["key"] for key in document.get("api_keys", []))
        made.extend(document[name] for name in ("password", "jwt_secret", *SERVICES) if name in document)

    def add(backend: SecretsManagerBackend, secret_id: str, secret_string: str, *more: Any, **named: Any) -> Any:
        collect(json.loads(secret_string))
        return real(backend, secret_id, secret_string, *more, **named)

    for name in ("control-plane", "clusters/local", "service-tokens"):
        collect(json.loads(client.get_secret_value(SecretId=f"provisioner/{name}")["SecretString"]))
    with patch.object(SecretsManagerBackend, "_add_secret", add):
        yield made


def test_the_jobs_ended_as_they_should(written: Written) -> None:
    assert written.succeeded.status == "SUCCEEDED"
    assert {ran.status for ran in written.failed.values()} == {"FAILED"}


def test_every_line_is_one_json_object(written: Written) -> None:
    assert all(isinstance(record, dict) for record in written.records)


def test_every_fact_has_its_time_its_level_and_the_name_of_its_execution(written: Written) -> None:
    jobs = {ran.job_id for ran in (written.succeeded, *written.failed.values())}
    assert {fact["correlation_id"] for fact in written.facts} == jobs
    assert all({"timestamp", "level", "message", "service", "stage"} <= set(fact) for fact in written.facts)


def test_each_stage_says_that_it_began_and_how_it_ended(written: Written) -> None:
    job = [fact for fact in written.facts if fact["correlation_id"] == written.succeeded.job_id]
    for stage in STAGES:
        assert [fact["message"] for fact in job if fact["stage"] == stage] == ["attempt started", "attempt succeeded"]


@pytest.mark.parametrize("stage", STAGES)
def test_a_failure_is_one_line_with_its_error_and_no_stack_trace(written: Written, stage: str) -> None:
    job = written.failed[f"{stage} by ERROR"].job_id
    failures = [fact for fact in written.facts if fact["correlation_id"] == job and "error" in fact]
    assert [(fact["stage"], fact["error"]) for fact in failures] == [(stage, STAGES[stage].error.__name__)] * 3
    assert not any("exception" in fact or "stack_trace" in fact for fact in failures)


def test_every_attempt_is_counted_and_timed_once(written: Written) -> None:
    ended = [fact for fact in written.facts if "error" in fact or fact["message"] == "attempt succeeded"]
    for name in ("Attempts", "Duration"):
        counted = [(metric["stage"], metric["outcome"]) for metric in written.metrics(name)]
        expected = [(fact["stage"], "failed" if "error" in fact else "succeeded") for fact in ended]
        assert sorted(counted) == sorted(expected)
    assert all(metric["Duration"][0] >= 0 for metric in written.metrics("Duration"))


def test_every_failed_job_is_counted_with_its_outcome(written: Written) -> None:
    outcomes = [metric["outcome"] for metric in written.metrics("FailedJobs")]
    assert len(outcomes) == len(written.failed)
    assert outcomes.count("failed") == len([name for name in written.failed if name.startswith("initializing")])
    assert set(outcomes) == {"failed", "rolled_back"}


def test_what_no_caller_is_to_blame_for_is_counted_by_revision(written: Written) -> None:
    """A Lambda that died has counted nothing itself, so its job is counted when it is closed."""
    attempts = [fact for fact in written.facts if "error" in fact]
    kinds = [metric["kind"] for metric in written.metrics("Faults")]
    assert (kinds.count("attempt"), kinds.count("job")) == (len(attempts), len(written.failed))
    assert {metric["revision"] for metric in written.metrics("Faults")} == {"none"}


@pytest.mark.parametrize("name", DIMENSIONS)
def test_metrics_are_in_embedded_format_with_few_dimensions(written: Written, name: str) -> None:
    for metric in written.metrics(name):
        (declared,) = metric["_aws"]["CloudWatchMetrics"]
        assert declared["Namespace"] == "Provisioner"
        assert declared["Dimensions"] == DIMENSIONS[name]
        assert {value["Name"] for value in declared["Metrics"]} <= set(metric)
        assert metric["service"] == "provisioner"


def test_no_value_of_a_dimension_comes_from_a_job(written: Written) -> None:
    combinations = {(metric["stage"], metric["outcome"]) for metric in written.metrics("Attempts")}
    assert {stage for stage, _ in combinations} == {*STAGES, "compensation", "failed"}
    assert {outcome for _, outcome in combinations} == {"succeeded", "failed"}


def test_no_secret_is_in_it(written: Written) -> None:
    with_database = [name for name in written.failed if not name.startswith(("initializing", "creating_database"))]
    # Two passwords and three tokens of the stack, a password for each secret, and a key once there is one.
    assert len(set(written.secrets)) > 5 + 1 + len(with_database)
    assert [secret for secret in written.secrets if secret in written.text] == []
