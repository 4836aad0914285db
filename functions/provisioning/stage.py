"""The stages of all job types, and the services that a tenant can be registered with."""

from enum import StrEnum


class Stage(StrEnum):
    """A step of a job, with a row in the ledger. The declarations say which job types have it, and in which order."""

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
    EXPORTING_DATABASE = "exporting_database"
    FINALIZING = "finalizing"


class Ending(StrEnum):
    """What replaces the current stage once no stage is left to run."""

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
