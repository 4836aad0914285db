"""Show a project's raw API keys once, and never again."""

from dataclasses import dataclass
from typing import NamedTuple

from typing_extensions import override

from provisioning import control_plane, queries
from provisioning.aws import secrets
from provisioning.aws.documents import API_KEYS
from provisioning.control_plane import ControlPlane
from provisioning.errors import ProjectNotEligible, ProvisioningError
from provisioning.identity import TenantNames
from provisioning.observability import logger
from provisioning.tenant import key_claims
from provisioning.tenant.holding import LAST_LOOK_SECONDS
from provisioning.tenant.key_claims import Asking

QUERIES = queries.load(__file__)
COMMAND = "command line"
"""Who asks when the command does. Each of its requests has a key of its own, so none is repeated."""


@dataclass(frozen=True)
class RevealedKey:
    """A raw key on its way to its owner. Its text does not appear in the object's repr."""

    key_id: str
    kind: str
    key: str

    @override
    def __repr__(self) -> str:
        return f"RevealedKey(key_id={self.key_id!r}, kind={self.kind!r})"


class Revealed(NamedTuple):
    """The secret of revealed keys: one that was kept for its reader, or that a superseded attempt may have created
    again.
    """

    tenant_id: str
    job_id: str
    is_kept: bool


def reveal_api_keys(project_id: str) -> list[RevealedKey]:
    """Return the raw keys of an active project and delete their secret; a later or concurrent call returns none.

    The control plane decides who gets them, and records who asked and when, before the secret is read. A reveal that
    dies after that has lost the keys, and new ones are needed. Raise ProjectNotFound for an unknown project,
    ProjectNotEligible for one that is not active, and SecretsUnavailable if a retry may help.
    """
    import uuid

    control = control_plane.connect()
    asking = Asking(COMMAND, str(uuid.uuid4()))
    claim = key_claims.claim(control, project_id, asking, LAST_LOOK_SECONDS, is_kept=False)
    if claim.status != "active":
        raise ProjectNotEligible(f"the project {project_id} is {claim.status}: keys are revealed while it is active")
    if claim.tenant_id is None or claim.job_id is None or not claim.is_mine:
        return []
    name = TenantNames(claim.tenant_id).api_keys_secret(claim.job_id)
    try:
        document = secrets.read_recorded(name, API_KEYS)
    except ProvisioningError:
        control.execute(QUERIES["record_unread"], tenant_id=claim.tenant_id, job_id=claim.job_id)
        raise
    try:
        secrets.remove(name, removed_before=False)
    except ProvisioningError as error:
        # The keys have an owner now; look_again removes what could not be removed here.
        logger().warning("the secret of revealed keys is still there", error=type(error).__name__)
    return [RevealedKey(raw["key_id"], raw["kind"], raw["key"]) for raw in document["api_keys"]]


def find_due(control: ControlPlane, limit: int) -> list[Revealed]:
    """Return the secrets of revealed keys whose look is due, the longest due first."""
    return control.fetch_all(Revealed, QUERIES["find_revealed_secrets"], limit=limit)


def look_again(control: ControlPlane, revealed: Revealed) -> list[str]:
    """Remove the secret if it exists, and return its name. Raise SecretsUnavailable.

    One that was kept is removed like a new one: its reader may have scheduled its deletion, which can be cancelled.
    """
    name = TenantNames(revealed.tenant_id).api_keys_secret(revealed.job_id)
    found = [name] if secrets.remove(name, removed_before=not revealed.is_kept) else []
    looks_again = bool(found) or revealed.is_kept
    facts = {"tenant_id": revealed.tenant_id, "job_id": revealed.job_id}
    control.execute(QUERIES["record_looked"], looks_again=looks_again, last_look=LAST_LOOK_SECONDS, **facts)
    return found
