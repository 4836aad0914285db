"""The stages there are, and the services that a tenant is registered with."""

from enum import StrEnum


class Stage(StrEnum):
    """A step of a job, with a row in the ledger. Which job types have it, and when, their declarations say."""

    INITIALIZING = "initializing"
    CREATING_DATABASE = "creating_database"
    CREATING_SCHEMA = "creating_schema"
    REGISTERING_AUTH = "registering_auth"
    REGISTERING_REALTIME = "registering_realtime"
    REGISTERING_STORAGE = "registering_storage"
    REGISTERING_POOLER = "registering_pooler"
    GENERATING_API_KEYS = "generating_api_keys"
    SUSPENDING_ACCESS = "suspending_access"
    SUSPENDING_SERVICES = "suspending_services"
    RESTORING_ACCESS = "restoring_access"
    RESUMING_SERVICES = "resuming_services"
    FINALIZING = "finalizing"


class Ending(StrEnum):
    """What stands in the place of the current stage once there is none any more."""

    COMPLETED = "completed"
    ROLLING_BACK = "rolling_back"
    ROLLED_BACK = "rolled_back"
    FAILED = "failed"


class Service(StrEnum):
    """The services a project can be registered with."""

    AUTH = "auth"
    REALTIME = "realtime"
    STORAGE = "storage"
    POOLER = "pooler"

    @property
    def stage(self) -> Stage:
        """The stage that registers the project with this service."""
        return Stage(f"registering_{self}")
