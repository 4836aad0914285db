"""Every way of making a tenant, or a database, once a round and in turn, in one environment of one server."""

from collections.abc import Callable

from bench import data_plane, environment, floors
from bench.django_tenants_peer import DjangoTenants
from bench.environments import Environments
from bench.figures import Figures
from local.stack import Stack

FLOOR = "CREATE DATABASE TEMPLATE"
SELECT = "SELECT 1"
CLAIM = "a pool claim, with roles and password"
CLAIM_DATABASE = "database step of a pool claim"
HANDLERS_POOL = "handlers in order, pool mode"
HANDLERS_TEMPLATE = "handlers in order, template mode"
EXECUTION_TIMEOUT_SECONDS = 120

Milliseconds = dict[str, float]


class Comparison:
    """What is compared, each measured by one call."""

    def __init__(self, stack: Stack, warm: Environments, peer: DjangoTenants) -> None:
        self._stack = stack
        self._warm = warm
        self._peer = peer

    def round(self) -> Milliseconds:
        """Measures everything once. What a measurement needs beforehand is made untimed."""
        return self._from_pool() | self._from_template() | self._from_nothing() | self._floors() | self._peers()

    def _from_pool(self) -> Milliseconds:
        self._warm.run(environment.fill_pool, 4)
        data = self._warm.run(data_plane.from_pool)
        return {
            "execution through the ASL, pool mode": self._execution(),
            HANDLERS_POOL: self._warm.run(environment.provision),
            "data plane alone, pool mode": data[data_plane.WHOLE],
            CLAIM: data[data_plane.CLAIM],
            CLAIM_DATABASE: self._warm.run(data_plane.database_step),
        }

    def _from_template(self) -> Milliseconds:
        self._warm.run(environment.hide_pool, template=False)
        data = self._warm.run(data_plane.from_template)
        return {
            "execution through the ASL, template mode": self._execution(),
            HANDLERS_TEMPLATE: self._warm.run(environment.provision),
            "data plane alone, template mode": data[data_plane.WHOLE],
        }

    def _from_nothing(self) -> Milliseconds:
        self._warm.run(environment.hide_pool, template=True)
        return {"handlers in order, from nothing": self._warm.run(environment.provision)}

    def _floors(self) -> Milliseconds:
        measured: dict[str, Callable[[], float]] = {
            FLOOR: floors.create_from_template,
            "createdb -T": floors.createdb,
            "CREATE DATABASE, schema as one transaction": floors.one_transaction,
            SELECT: floors.select,
        }
        return {name: self._warm.run(measure) for name, measure in measured.items()}

    def _peers(self) -> Milliseconds:
        return {
            "CREATE DATABASE, schema statement by statement": self._warm.run(floors.statement_by_statement),
            "django-tenants, create and migrate": self._peer.create(),
        }

    def _execution(self) -> float:
        payload = self._warm.run(environment.new_payload)

        def execute() -> None:
            ran = self._stack.run(payload, timeout=EXECUTION_TIMEOUT_SECONDS)
            if ran["status"] != "SUCCEEDED":
                raise AssertionError(f"the execution {ran['status']}")

        return environment.timed(execute)


def compare(comparison: Comparison, rounds: int, progress: Callable[[str], None]) -> dict[str, Figures]:
    """Returns each one's figures in ms over the rounds, after a round that is not counted."""
    comparison.round()
    found: dict[str, list[float]] = {}
    for number in range(rounds):
        progress(f"round {number + 1} of {rounds}")
        for name, milliseconds in comparison.round().items():
            found.setdefault(name, []).append(milliseconds)
    return {name: Figures.of(values) for name, values in found.items()}
