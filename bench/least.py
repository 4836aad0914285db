"""The least that a job's calls can cost: each call that it makes, bare, times how many of them it makes.

Everything is measured in turn in one warm environment: a job by each mode, the floor, and every bare call. How many
calls a job makes is counted as it runs. What a bare call stands for is always less than what the job asks for.
"""

import functools
import statistics
import uuid
from collections.abc import Callable
from typing import Any

import psycopg2
import urllib3
from psycopg2 import sql

from bench import boundaries, environment, floors
from bench.boundaries import CONNECT, DATABASE, KEY, STATEMENT, VERIFIER, Request
from bench.comparison import FLOOR
from bench.environment import MODES, here, timed
from bench.environments import Environments
from bench.figures import Figures

ROUND_TRIP = "round trip to PostgreSQL: SELECT 1"
COMMIT = "commit that writes, beyond its round trip"
LOGIN = "connection with a password, opened and closed"
SET_VERIFIER = "ALTER ROLE … PASSWORD verifier, beyond its round trip"
DERIVE = "scram_verifier()"
REQUEST = "HTTP request: GET of a registration"
CREATE_SECRET, READ_SECRET = "Secrets Manager: CreateSecret", "Secrets Manager: GetSecretValue"
HTTP_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
REPEATED = 3
"""How often a bare call is measured in a round."""

_last: dict[str, Any] = {}
"""The environment's last job: the tenant's credentials, and the requests that only read."""


def measure(warm: Environments, rounds: int, progress: Callable[[str], None]) -> dict[str, Any]:
    """Return the figures in ms of the floor and of each bare call, and per mode those of a job, its calls, their sum.

    The first round is not counted.
    """
    jobs: dict[str, list[tuple[float, dict[str, int]]]] = {mode: [] for mode in MODES}
    bare: dict[str, list[float]] = {}
    for number in range(rounds + 1):
        progress(f"round {number} of {rounds}")
        for mode, measured in jobs.items():
            warm.run(environment.prepare, mode)
            measured.append(warm.run(job))
        for name, values in warm.run(bare_calls).items():
            bare.setdefault(name, []).extend(values if number else ())
    figures = {name: Figures.of(values).as_dict() for name, values in bare.items()}
    return {
        "floor": figures[FLOOR],
        "each": figures,
        "modes": {mode: _least(found[1:], figures) for mode, found in jobs.items()},
    }


def _least(jobs: list[tuple[float, dict[str, int]]], bare: dict[str, dict[str, float]]) -> dict[str, Any]:
    calls = {name: statistics.median_low([counted[name] for _, counted in jobs]) for name in bare}
    least = sum(count * bare[name]["p50"] for name, count in calls.items())
    return {"job": Figures.of([ms for ms, _ in jobs]).as_dict(), "calls": calls, "least": round(least, 4)}


def job() -> tuple[float, dict[str, int]]:
    """Run one job and return its milliseconds, and how often it made each call that there is a bare one of."""
    event, transactions = environment.new_event(), _transactions()
    meter = boundaries.start()
    list(environment.run(event))
    # Copied: what is read below is not of the job.
    milliseconds, kinds, transactions = meter.split()["total"], meter.kinds.copy(), _transactions() - transactions
    _last["tenant"] = _credentials(event["job_id"])
    _last["requests"] = list(meter.requests)
    # The bare clone has its own round trip and commit.
    return milliseconds, {
        ROUND_TRIP: kinds[STATEMENT] - kinds[DATABASE],
        COMMIT: transactions - kinds[DATABASE],
        LOGIN: kinds[CONNECT],
        SET_VERIFIER: kinds[VERIFIER],
        DERIVE: kinds[KEY],
        FLOOR: kinds[DATABASE],
        REQUEST: sum(kinds[method] for method in HTTP_METHODS),
        CREATE_SECRET: kinds["CreateSecret"],
        # Two secrets in one request take no less than one.
        READ_SECRET: kinds["GetSecretValue"] + kinds["BatchGetSecretValue"],
    }


def bare_calls() -> dict[str, list[float]]:
    """Return the milliseconds of each bare call, made a few times in turn for the tenant of the last job."""
    calls: dict[str, Callable[[], float]] = {
        ROUND_TRIP: floors.select,
        COMMIT: _commit,
        LOGIN: _login,
        SET_VERIFIER: _set_verifier,
        DERIVE: _derive,
        REQUEST: _request,
        CREATE_SECRET: _create_secret,
        READ_SECRET: _read_secret,
    }
    found = {name: [call() for _ in range(REPEATED)] for name, call in calls.items()}
    return found | {FLOOR: [floors.clone()]}


def _commit() -> float:
    """A transaction that writes one small record into the WAL and nothing else, without what a SELECT 1 takes."""
    return timed(lambda: _execute("SELECT pg_logical_emit_message(true, 'bench', '')")) - floors.select()


def _login() -> float:
    tenant = _last["tenant"]
    login = {"user": tenant["username"], **{name: tenant[name] for name in ("host", "port", "dbname", "password")}}
    return timed(lambda: psycopg2.connect(**login, sslmode="disable").close())


def _set_verifier() -> float:
    """PostgreSQL derives a key from the empty password, to refuse a verifier of that: 4,096 rounds each time."""
    from provisioning.tenant.scram import scram_verifier

    role, verifier = sql.Identifier(_last["tenant"]["username"]), sql.Literal(scram_verifier(uuid.uuid4().hex))
    _execute("BEGIN")
    try:
        taken = timed(lambda: _execute(sql.SQL("ALTER ROLE {} PASSWORD {}").format(role, verifier)))
    finally:
        _execute("ROLLBACK")
    return taken - floors.select()


def _derive() -> float:
    from provisioning.tenant.scram import scram_verifier

    return timed(lambda: scram_verifier(_last["tenant"]["password"]))


def _request() -> float:
    """The mean of the requests with which the job asked whether it is registered."""
    requests: list[Request] = _last["requests"]

    def ask() -> None:
        for request in requests:
            answer = _services().request(request.method, request.url, headers=request.headers)
            if answer.status != 200:
                raise RuntimeError(f"a registration was answered with {answer.status}")

    return timed(ask) / len(requests)


def _create_secret() -> float:
    name = f"bench-{uuid.uuid4().hex}"
    taken = timed(lambda: _secrets_manager().create_secret(Name=name, SecretString="{}"))
    _secrets_manager().delete_secret(SecretId=name, ForceDeleteWithoutRecovery=True)
    return taken


def _read_secret() -> float:
    return timed(lambda: _secrets_manager().get_secret_value(SecretId=_secret()))


@functools.cache
def _secret() -> str:
    """Return the name of a secret with nothing in it."""
    name = f"bench-{uuid.uuid4().hex}"
    _secrets_manager().create_secret(Name=name, SecretString="{}")
    return name


@functools.cache
def _secrets_manager() -> Any:
    import boto3

    return boto3.client("secretsmanager")


@functools.cache
def _services() -> urllib3.PoolManager:
    return urllib3.PoolManager()


def _transactions() -> int:
    """Return the number that the next transaction gets: those that write nothing get none."""
    with here().control_plane.cursor() as cursor:
        cursor.execute("SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint")
        return int((cursor.fetchone() or (0,))[0])


def _credentials(job_id: str) -> dict[str, Any]:
    """Return the credentials of a job's tenant."""
    from provisioning.aws import secrets

    with here().control_plane.cursor() as cursor:
        cursor.execute("SELECT secret_arn FROM control_plane.tenants WHERE job_id = %s", (job_id,))
        (arn,) = cursor.fetchone() or ("",)
    return secrets.read(arn)


def _execute(statement: str | sql.Composable) -> None:
    with here().control_plane.cursor() as cursor:
        cursor.execute(statement)
