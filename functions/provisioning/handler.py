"""The registration of a stage's handler: what it needs, and what it answers to a probe instead of working.

A deployment probes every new version before an execution can meet it (aws/new_versions.py).
"""

import functools
from collections.abc import Callable

from provisioning.ledger.runner import Event, LambdaContext, Output
from provisioning.needs import PROBE, Need
from provisioning.stage import Service

Handler = Callable[[Event, LambdaContext], Output]

_needs: dict[str, frozenset[Need | Service]] = {}


def handler(*needs: Need | Service) -> Callable[[Handler], Handler]:
    """Register a stage's handler with what it needs; it then recognises a probe, and answers {failed}.

    `failed` says by name what is missing, does not answer or is not allowed. A probe writes nothing.
    """

    def register(handle: Handler) -> Handler:
        _needs[f"{handle.__module__}.{handle.__name__}"] = frozenset(needs)

        @functools.wraps(handle)
        def handle_or_probe(event: Event, context: LambdaContext) -> Output:
            if event == PROBE:
                from provisioning.probe import probe

                return {"failed": probe(frozenset(needs), context)}
            return handle(event, context)

        return handle_or_probe

    return register


def needs_of(path: str) -> frozenset[Need | Service]:
    """Return what the handler at module.function needs; importing its module has registered it."""
    return _needs[path]
