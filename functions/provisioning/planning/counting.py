"""How many calls of each kind a job makes, by its declaration and the adapters of its services."""

from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from provisioning.jobs.calls import Calls, Question
from provisioning.jobs.declaration import Step
from provisioning.planning.decision import Decision, Source
from provisioning.services import adapter_class, adapter_name
from provisioning.stage import Service

LAMBDA, CONTROL_PLANE, REGISTER, TENANT = (
    "Lambda Invoke",
    "PostgreSQL control plane",
    "PostgreSQL register",
    "PostgreSQL tenant database",
)
SECRETS_MANAGER, HTTP = "Secrets Manager", "HTTP"
COMPARISON = 1
"""One round trip more of "Verify project": it compares its plan with what it has claimed."""


class Call(NamedTuple):
    """Calls of one kind. PostgreSQL is counted in round trips."""

    kind: str
    number: int | None
    """None where an adapter asks until the service is ready, or where it depends on what is in the tenant."""


def count(decision: Decision) -> list[Call]:
    """Return the calls of a job that keeps its plan and succeeds with the first attempt of each stage.

    Raise Misconfigured for a service whose adapter does not exist.
    """
    steps = decision.declared.steps
    found: Counter[str] = Counter({LAMBDA: len(steps), CONTROL_PLANE: COMPARISON})
    unknown: set[str] = set()
    for step in steps:
        calls = calls_of(step, decision.source)
        found.update({CONTROL_PLANE: calls.control_plane, REGISTER: calls.register, TENANT: calls.tenant_database})
        found.update(f"{SECRETS_MANAGER} {operation}" for operation in calls.secrets_manager)
        unknown.update(calls.unknown)
        found.update(dict.fromkeys(calls.unknown, 0))
        for service, question in _asked(step, calls, decision):
            number = adapter_class(adapter_name(service)).requests(question)
            found[f"{HTTP} {service}"] += number or 0
            unknown |= {f"{HTTP} {service}"} if number is None else set()
    return [
        Call(kind, None if kind in unknown else number) for kind, number in found.items() if number or kind in unknown
    ]


def calls_of(step: Step, source: Source) -> Calls:
    """Return what a stage asks for, by where its job's tenant comes from."""
    return (step.calls_from_nothing if source is Source.NEW else None) or step.calls


def _asked(step: Step, calls: Calls, decision: Decision) -> Iterator[tuple[Service, Question]]:
    for service in decision.services:
        if calls.services is not None and (calls.services is not Question.REGISTER or service.stage is step.stage):
            yield service, calls.services
