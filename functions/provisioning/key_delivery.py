"""Shows a project's raw API keys once, and never again."""

from dataclasses import dataclass

from typing_extensions import override

from provisioning import control_plane, tenant_secret
from provisioning.errors import ProjectNotFound


@dataclass(frozen=True)
class RevealedKey:
    """A raw key on its way to its owner. Its text does not appear in the object's own."""

    key_id: str
    kind: str
    key: str

    @override
    def __repr__(self) -> str:
        return f"RevealedKey(key_id={self.key_id!r}, kind={self.kind!r})"


def reveal_api_keys(project_id: str) -> list[RevealedKey]:
    """Returns the raw keys of an active project and removes them from its secret; the second time there are none.

    Who asked, and when, goes into the audit log first. Raises ProjectNotFound when no such project is active.
    """
    control = control_plane.connect()
    secret = control.fetch_one("find_active_secret", project_id=project_id)
    if secret is None:
        raise ProjectNotFound(f"there is no active project {project_id}")
    return [RevealedKey(raw["key_id"], raw["kind"], raw["key"]) for raw in tenant_secret.take_api_keys(secret["name"])]
