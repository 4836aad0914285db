"""Replacements of the shipped functions, for tests of the state machine only."""

from typing import Any

from tests.local.conftest import Machine

COMPENSATIONS = ["RevokeApiKeysFunction", "DeregisterServicesFunction", "DropDatabaseFunction"]
REGISTRATIONS = [f"Register{name}Function" for name in ("Auth", "Realtime", "Storage", "Pooler")]
PAYLOAD = {"project_id": "p", "region": "us-east-1"}
CHOSEN, CLAIMED = "a" * 20, "b" * 20
"""The tenant that "Verify project" chose, and the one that "Create tenant database" claimed instead."""

ANSWERS: dict[str, Any] = {
    "VerifyProjectFunction": {"job_id": "job", "project_id": "p", "tenant_id": CHOSEN},
    "CreateDatabaseFunction": {"tenant_id": CLAIMED, "name": "tenant_b", "host": "h", "port": 5432, "secret_arn": "s"},
    "CreateSchemaFunction": {"schema": "tenant", "version": "0001"},
    **{name: {"service": name, "external_id": CLAIMED, "endpoint": "e"} for name in REGISTRATIONS},
    "GenerateApiKeysFunction": {"api_keys": []},
    "FinalizeFunction": {"project_id": "p"},
    **{name: {"removed": []} for name in COMPENSATIONS},
    "RecordFailureFunction": {"outcome": "rolled_back", "error": "Stopped", "cause": "Nothing is left.", "result": {}},
}


class InvalidPayload(Exception):
    """Permanent, by its name."""


class Toys:
    """Functions that return configured answers and record their inputs."""

    def __init__(self) -> None:
        self.answers: dict[str, Any] = {}
        self.given: list[tuple[str, Any]] = []

    def reset(self) -> None:
        self.answers = dict(ANSWERS)
        self.given.clear()

    def __call__(self, event: Any, context: Any) -> Any:
        self.given.append((context.function_name, event))
        answer = self.answers[context.function_name]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def events(self, *functions: str) -> list[Any]:
        return [event for function, event in self.given if function in functions]

    @property
    def called(self) -> list[str]:
        return [function for function, _ in self.given]


def arn_of(machine: Machine, name: str) -> str:
    return f"{machine.aws.state_machine_arn.replace(':stateMachine:', ':execution:')}:{name}"
