"""Which stage of the ledger a state of "provision_project" does, and which stages a compensation undoes."""

import json
from collections.abc import Mapping

from provisioning.jobs.provision_project import PROVISION_PROJECT
from provisioning.stage import Service, Stage

STATES: Mapping[Stage, str] = PROVISION_PROJECT.states
"""The state of each stage, in the order of the ledger."""

REGISTER = {service: STATES[service.stage] for service in Service}

VERIFY_PROJECT = next(iter(STATES.values()))

STAGES: Mapping[str, Stage] = {name: stage for stage, name in STATES.items()}

UNDOES: Mapping[str, tuple[Stage, ...]] = PROVISION_PROJECT.compensations
"""What each compensation undoes."""

RECORD_FAILURE = "Record failure"


def not_wanted(payload: str) -> set[str]:
    """Return the states whose service a project does not want, from the execution's input (JSON)."""
    try:
        services = json.loads(payload).get("services", {})
        return {name for service, name in REGISTER.items() if services.get(str(service)) is not True}
    except (ValueError, AttributeError):
        return set()


def percent(done: int) -> int:
    """Return the share of stages that are done or skipped, as the ledger counts it."""
    return 100 * done // len(STATES)
