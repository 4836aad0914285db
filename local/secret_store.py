"""Store the secrets of moto's Secrets Manager, which are in memory, in files that only their owner can read."""

import hashlib
import json
import os
from pathlib import Path
from typing import Any

from moto.secretsmanager.models import FakeSecret, SecretsManagerBackend

from local.errors import Unusable

DIRECTORY = "secrets"
"""Of the store, in that of the stack."""

NEEDED = frozenset({"account_id", "region", "secret_id", "created_date"})
NOT_KEPT = frozenset({"replicas"})
READ_ONLY = ("Get", "BatchGet", "Describe", "List", "Validate")


class SecretStore:
    """A directory with one file per secret, which is always complete: replaced, never modified. The cost of a change
    does not grow with the number of secrets.
    """

    def __init__(self, directory: Path, *, fsync: bool = True) -> None:
        self._directory = directory
        self._fsync = fsync
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)

    def save(self, backend: SecretsManagerBackend, name: str) -> None:
        """Write one secret with its values, versions, stages, tags, ARN and other attributes; or delete its file."""
        secret = backend.secrets.get(name)
        if isinstance(secret, FakeSecret):
            self._write(name, {field: value for field, value in vars(secret).items() if field not in NOT_KEPT})
        else:
            self._file(name).unlink(missing_ok=True)

    def restore(self, backend: SecretsManagerBackend) -> None:
        """Load the secrets from the files into an empty backend. Raise HumanError, naming a file that is damaged."""
        kept = [_read(file) for file in self._directory.glob("*.json")]
        for secret in sorted(kept, key=lambda secret: secret["created_date"] or 0):
            backend.secrets[secret["secret_id"]] = _secret(secret)

    def _write(self, name: str, kept: dict[str, Any]) -> None:
        file = self._file(name)
        beside = file.with_suffix(".new")
        beside.unlink(missing_ok=True)
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as opened:
            opened.write(json.dumps(kept))
            if self._fsync:
                opened.flush()
                os.fsync(descriptor)
        beside.replace(file)

    def _file(self, name: str) -> Path:
        return _file_of(self._directory, name)


def kept_text(directory: Path, name: str) -> str | None:
    """Return the text of a secret that a stack has left there, or None. Raise HumanError if its file is damaged."""
    file = _file_of(directory, name)
    if not file.is_file():
        return None
    kept = _read(file)
    return str(kept["versions"][kept["default_version_id"]]["secret_string"])


def changes_secrets(action: str) -> bool:
    """Return whether a Secrets Manager action may change a secret."""
    return not action.startswith(READ_ONLY)


def named_secret(backend: SecretsManagerBackend, request: bytes) -> str:
    """Return the name of the secret that a request names, by its name or ARN; "" when it names none."""
    try:
        document = json.loads(request)
    except (ValueError, RecursionError):
        return ""
    wanted = (document.get("SecretId") or document.get("Name")) if isinstance(document, dict) else None
    if not isinstance(wanted, str):
        return ""
    secret = backend.secrets.get(wanted)
    return secret.name if isinstance(secret, FakeSecret) else wanted


def _file_of(directory: Path, name: str) -> Path:
    # A secret's name may contain slashes and be longer than a file's may be.
    return directory / f"{hashlib.sha256(name.encode(errors='surrogatepass')).hexdigest()}.json"


def _read(file: Path) -> dict[str, Any]:
    try:
        kept = json.loads(file.read_text(encoding="utf-8"))
        if isinstance(kept, dict) and kept.keys() >= NEEDED:
            return kept
    except (ValueError, RecursionError):
        pass
    raise Unusable(f"{file} is not a secret as the stack writes it: restore the file, or remove it to lose the secret")


def _secret(kept: dict[str, Any]) -> FakeSecret:
    # Created by its own constructor first, so that fields that a newer moto adds have their defaults.
    secret = FakeSecret(
        account_id=kept["account_id"],
        region_name=kept["region"],
        secret_id=kept["secret_id"],
        secret_version={},
        version_id="",
    )
    vars(secret).update(kept)
    return secret
