"""The names of a tenant's database, roles and secret: derived from the project id alone, and from nothing else."""

import base64
import re
from typing import NamedTuple

from provisioning import configuration

READABLE_CHARACTERS = 20
HASH_CHARACTERS = 26


class TenantNames(NamedTuple):
    """The names that belong to one project. All are lower-case ASCII and shorter than PostgreSQL's 63 bytes."""

    database: str
    owner_role: str
    login_role: str

    @property
    def secret(self) -> str:
        """The name of the project's secret in Secrets Manager."""
        return f"{configuration.optional('TENANT_SECRET_PREFIX', 'provisioner/tenants')}/{self.database}"


def tenant_names(project_id: str) -> TenantNames:
    """Returns the names for a project id.

    Two different ids never share a name: each name holds 130 bits of the id's SHA-256, and a unique index in the
    control plane refuses the second one should they ever meet. The readable prefix is for people only.
    """
    import hashlib

    digest = hashlib.sha256(project_id.encode()).digest()
    fingerprint = base64.b32encode(digest).decode().lower()[:HASH_CHARACTERS]
    readable = re.sub(r"[^a-z0-9]+", "_", project_id.lower())[:READABLE_CHARACTERS].strip("_")
    database = f"tenant_{readable}_{fingerprint}"
    return TenantNames(database=database, owner_role=f"{database}_owner", login_role=f"{database}_login")
