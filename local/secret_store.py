"""Keeps the secrets of moto's Secrets Manager, which has them in memory, in a file that only its owner can read."""

import json
import os
from pathlib import Path
from typing import Any

from moto.secretsmanager.models import FakeSecret, SecretsManagerBackend

NOT_KEPT = frozenset({"replicas"})
READ_ONLY = ("Get", "BatchGet", "Describe", "List", "Validate")


class SecretStore:
    """A file that is always a whole state of the secrets: it is replaced, never written into."""

    def __init__(self, path: Path, *, fsync: bool = True) -> None:
        self._path = path
        self._fsync = fsync

    def save(self, backend: SecretsManagerBackend) -> None:
        """Writes all secrets: values, versions, stages, tags, ARNs and what else describes them."""
        kept = [
            {name: value for name, value in vars(secret).items() if name not in NOT_KEPT}
            for secret in backend.secrets.values()
            if isinstance(secret, FakeSecret)
        ]
        beside = self._path.with_suffix(".new")
        beside.unlink(missing_ok=True)
        with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            json.dump(kept, file)
            if self._fsync:
                file.flush()
                os.fsync(file.fileno())
        beside.replace(self._path)

    def restore(self, backend: SecretsManagerBackend) -> None:
        """Puts the secrets of the file, if there is one, into an empty backend."""
        if self._path.exists():
            for kept in json.loads(self._path.read_text(encoding="utf-8")):
                backend.secrets[kept["secret_id"]] = _secret(kept)


def changes_secrets(action: str) -> bool:
    """Tells whether a Secrets Manager action may leave the secrets different from before."""
    return not action.startswith(READ_ONLY)


def _secret(kept: dict[str, Any]) -> FakeSecret:
    # Made by its own constructor first: what a newer moto keeps besides then has its default.
    secret = FakeSecret(
        account_id=kept["account_id"],
        region_name=kept["region"],
        secret_id=kept["secret_id"],
        secret_version={},
        version_id="",
    )
    vars(secret).update(kept)
    return secret
