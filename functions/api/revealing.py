"""The route that reveals API keys: it decides who gets them and says where they are, never what they are."""

from datetime import datetime

from aws_lambda_powertools.event_handler import Request as HttpRequest
from pydantic import BaseModel, Field

from api.projects import ProjectId
from api.starting import Key, request_of
from provisioning import control_plane
from provisioning.errors import ProjectNotEligible
from provisioning.requests.refusals import IdempotencyKeyReused, KeysRevealed
from provisioning.tenant import key_claims
from provisioning.tenant.key_claims import Asking

SECONDS_TO_READ = 3600
"""How long the secret is kept for whoever has revealed the keys."""


class RevealedKeys(BaseModel):
    """Where the raw API keys are, for whoever has revealed them."""

    secret_arn: str = Field(description="Of the secret with the keys, which the caller reads with its own rights.")
    revealed_at: datetime
    kept_until: datetime | None = Field(description="When the secret is removed; null if it has been.")
    is_repeated: bool = Field(description="Whether an earlier request with this key had revealed them.")


def reveal_api_keys(request: HttpRequest, project_id: ProjectId, idempotency_key: Key) -> RevealedKeys:
    """Reveal the API keys of an active project, once: answer with the ARN of the secret that has them for an hour.

    The same key gets the same answer. Any other request gets 409, with the time at which the keys were revealed.
    """
    asked = request_of(request, idempotency_key)
    asking = Asking(asked.caller.principal, asked.key, asked.caller.session_name)
    found = key_claims.claim(control_plane.connect(), project_id, asking, SECONDS_TO_READ, is_kept=True)
    if found.is_mine and found.secret_arn is not None and found.revealed_at is not None:
        return RevealedKeys(
            secret_arn=found.secret_arn,
            revealed_at=found.revealed_at,
            kept_until=found.kept_until,
            is_repeated=not found.is_new,
        )
    if found.is_used:
        raise IdempotencyKeyReused("the key has revealed the API keys of another tenant: use another key")
    if found.revealed_at is not None:
        said = f"the API keys of the project {project_id} were revealed at {found.revealed_at.isoformat()}"
        raise KeysRevealed(said, found.revealed_at)
    if found.status != "active":
        raise ProjectNotEligible(f"the project {project_id} is {found.status}: keys are revealed while it is active")
    if found.tenant_id is None:
        raise ProjectNotEligible(f"the project {project_id} has no API keys")
    raise ProjectNotEligible(
        f"where the API keys of the project {project_id} are is not on record: run provision keys {project_id} --reveal"
        " --state-machine-arn ARN in the VPC"
    )
