"""Which stage of the ledger a state of "provision_project" does, and which stages a compensation undoes."""

import json
from collections.abc import Mapping

from provisioning.stage import STEPS, Service, Stage

REGISTER = {service: f"Register {service}" for service in Service}

VERIFY_PROJECT = "Verify project"

STATES: Mapping[Stage, str] = {
    Stage.INITIALIZING: VERIFY_PROJECT,
    Stage.CREATING_DATABASE: "Create tenant database",
    Stage.CREATING_SCHEMA: "Create tenant schema",
    **{service.stage: name for service, name in REGISTER.items()},
    Stage.GENERATING_API_KEYS: "Generate API keys",
    Stage.FINALIZING: "Finalize",
}
"""The state of each stage, in the order of the ledger."""

STAGES: Mapping[str, Stage] = {name: stage for stage, name in STATES.items()}

UNDOES: Mapping[str, tuple[Stage, ...]] = {
    "Revoke API keys": (Stage.GENERATING_API_KEYS,),
    "Deregister services": tuple(service.stage for service in Service),
    "Drop tenant database": (Stage.CREATING_SCHEMA, Stage.CREATING_DATABASE),
}
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
    return 100 * done // len(STEPS)
