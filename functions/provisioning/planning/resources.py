"""What a job makes, takes and changes, by kind, with the names that are known beforehand."""

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import NamedTuple, cast

from provisioning.identity import TenantNames
from provisioning.jobs.payload import Payload
from provisioning.planning.decision import Decision, Source
from provisioning.services import adapter_class, adapter_name
from provisioning.services.adapter import Adapter
from provisioning.stage import Service, Stage
from provisioning.tenant import api_keys, schema

TENANT_ID = "{tenant_id}"
"""Stands for the id that is drawn when the job opens."""
UNSAID: tuple[str, ...] = ()
"""The names of secrets: no route that reads answers with one."""


class Action(StrEnum):
    """What happens to a resource."""

    MAKE = "make"
    TAKE = "take"
    """It is ready, and becomes the project's."""
    CLOSE = "close"
    OPEN = "open"
    SUSPEND = "suspend"
    RESUME = "resume"
    CHANGE = "change"


class Resource(NamedTuple):
    """Resources of one kind, to which the same happens."""

    action: Action
    kind: str
    number: int
    names: tuple[str, ...]


def find(decision: Decision) -> list[Resource]:
    """Return what each stage does, in order."""
    found: list[Resource] = []
    for step in decision.declared.steps:
        if step.stage in OF_STAGE:
            found += OF_STAGE[step.stage](decision)
        elif step.leaves is not None:
            found.append(Resource(Action.CHANGE, step.leaves, 1, (_names(decision).database,)))
    return [one for one in found if one.number]


def _names(decision: Decision) -> TenantNames:
    return TenantNames(decision.tenant_id or TENANT_ID)


def _made(decision: Decision) -> Action:
    return Action.MAKE if decision.source is Source.NEW else Action.TAKE


def _database(decision: Decision) -> list[Resource]:
    names, action = _names(decision), _made(decision)
    return [
        Resource(action, "secret", 1, UNSAID),
        Resource(action, "role", 2, (names.owner_role, names.login_role)),
        Resource(action, "database", 1, (names.database,)),
    ]


def _schema(decision: Decision) -> list[Resource]:
    return [Resource(_made(decision), "schema", 1, (schema.SCHEMA,))]


def _registration(service: Service) -> Callable[[Decision], list[Resource]]:
    def make(decision: Decision) -> list[Resource]:
        name = f"{service} {_names(decision).tenant_id}"
        return [Resource(Action.MAKE, "registration", 1, (name,))] if service in decision.services else []

    return make


def _api_keys(decision: Decision) -> list[Resource]:
    payload = cast("Payload", decision.payload)
    kinds = api_keys.kinds(payload.api_key_count)
    return [
        Resource(Action.MAKE, "secret", 1, UNSAID),
        Resource(Action.MAKE, "API key", len(kinds), tuple(f"{payload.api_key_prefix}_{kind}_…" for kind in kinds)),
    ]


def _access(action: Action) -> Callable[[Decision], list[Resource]]:
    return lambda decision: [Resource(action, "database", 1, (_names(decision).database,))]


def _services(action: Action) -> Callable[[Decision], list[Resource]]:
    def change(decision: Decision) -> list[Resource]:
        able = [one for one in decision.services if adapter_class(adapter_name(one)).suspend is not Adapter.suspend]
        return [Resource(action, "registration", len(able), tuple(f"{one} {decision.tenant_id}" for one in able))]

    return change


OF_STAGE: Mapping[Stage, Callable[[Decision], list[Resource]]] = {
    Stage.CREATING_DATABASE: _database,
    Stage.CREATING_SCHEMA: _schema,
    **{service.stage: _registration(service) for service in Service},
    Stage.GENERATING_API_KEYS: _api_keys,
    Stage.SUSPENDING_ACCESS: _access(Action.CLOSE),
    Stage.RESTORING_ACCESS: _access(Action.OPEN),
    Stage.SUSPENDING_SERVICES: _services(Action.SUSPEND),
    Stage.RESUMING_SERVICES: _services(Action.RESUME),
    Stage.EXPORTING_DATABASE: lambda _: [Resource(Action.MAKE, "object", 2, UNSAID)],
}
"""Of another stage that changes something, its declaration's `leaves` is said."""
