"""What a stage's handler may need, which a probe of its version checks, and the event that asks for a probe."""

from enum import StrEnum
from typing import Any

from provisioning.stage import Service

PROBE: dict[str, Any] = {"probe": True}
"""No execution sends it: each of their events has a job_id."""

ANY_SERVICE = tuple(Service)


class Need(StrEnum):
    """What a stage uses besides the control plane, which all use, and the services."""

    CLUSTERS = "clusters"
    TENANT_SECRETS = "tenants' secrets"
    SERVICE_CREDENTIALS = "tenants' secrets for a service"
    """Only if the service's adapter passes credentials on."""
    REALTIME_DATABASE = "realtime's database secret"
    EXPORTS = "the bucket of exports"
    PG_DUMP = "pg_dump"
    SEVERAL_SECRETS = "several secrets at once"
    EVENT_BUS = "event bus"
    STEP_FUNCTIONS = "step functions"
