"""Every way of making a tenant, or a database, once a round and in turn, in one environment of one server."""

from collections.abc import Callable

from bench import data_plane, environment, floors
from bench.django_tenants_peer import DjangoTenants
from bench.environment import MODES, NOTHING, POOL
from bench.environments import Environments
from bench.figures import Figures
from local.stack import Stack

FLOOR = "CREATE DATABASE TEMPLATE"
EXECUTION_TIMEOUT_SECONDS = 120

Milliseconds = dict[str, float]


def handlers(mode: str) -> str:
    """Return what a job's handlers, one after the other, are called in the results."""
    return f"handlers in order, {mode}"


def compare(
    stack: Stack, warm: Environments, peer: DjangoTenants, rounds: int, progress: Callable[[str], None]
) -> dict[str, Figures]:
    """Return each one's figures in ms over the rounds, after a round that is not counted."""
    found: dict[str, list[float]] = {}
    for number in range(rounds + 1):
        progress(f"round {number} of {rounds}")
        measured = _jobs(stack, warm) | _floors(warm) | {"django-tenants, create and migrate": peer.create()}
        for name, milliseconds in measured.items() if number else ():
            found.setdefault(name, []).append(milliseconds)
    return {name: Figures.of(values) for name, values in found.items()}


def _jobs(stack: Stack, warm: Environments) -> Milliseconds:
    """Measure a job of each mode. What it needs beforehand is made untimed."""
    data_planes = {POOL: data_plane.claim, NOTHING: data_plane.make}
    measured = {}
    for mode in MODES:
        warm.run(environment.prepare, mode, 3)
        measured[f"execution through the ASL, {mode}"] = _execution(stack, warm)
        measured[handlers(mode)] = warm.run(environment.provision)
        measured[f"data plane alone, {mode}"] = warm.run(data_planes[mode])
    return measured


def _floors(warm: Environments) -> Milliseconds:
    measured: dict[str, Callable[[], float]] = {
        FLOOR: floors.clone,
        "createdb -T": floors.createdb,
        "CREATE DATABASE, schema as one transaction": floors.one_transaction,
        "CREATE DATABASE, schema statement by statement": floors.statement_by_statement,
        "SELECT 1": floors.select,
    }
    return {name: warm.run(measure) for name, measure in measured.items()}


def _execution(stack: Stack, warm: Environments) -> float:
    payload = warm.run(environment.new_payload)

    def execute() -> None:
        ran = stack.run(payload, timeout=EXECUTION_TIMEOUT_SECONDS)
        if ran["status"] != "SUCCEEDED":
            raise AssertionError(f"the execution {ran['status']}")

    return environment.timed(execute)
