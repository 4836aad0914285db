"""The stages of a job, in the order in which a person follows them."""

from enum import StrEnum


class Stage(StrEnum):
    """Where a job stands. The first nine are the steps of the ledger; the rest say how the job ended."""

    INITIALIZING = "initializing"
    CREATING_DATABASE = "creating_database"
    CREATING_SCHEMA = "creating_schema"
    REGISTERING_AUTH = "registering_auth"
    REGISTERING_REALTIME = "registering_realtime"
    REGISTERING_STORAGE = "registering_storage"
    REGISTERING_POOLER = "registering_pooler"
    GENERATING_API_KEYS = "generating_api_keys"
    FINALIZING = "finalizing"
    COMPLETED = "completed"
    ROLLING_BACK = "rolling_back"
    ROLLED_BACK = "rolled_back"
    FAILED = "failed"


STEPS = tuple(Stage)[:9]
"""The stages that have a row in the ledger."""


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
