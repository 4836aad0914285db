"""Keeps the secrets of moto's Secrets Manager, which has them in memory, in files that only their owner can read."""

import hashlib
import json
import os
from pathlib import Path
from typing import Any

from moto.secretsmanager.models import FakeSecret, SecretsManagerBackend

NOT_KEPT = frozenset({"replicas"})
READ_ONLY = ("Get", "BatchGet", "Describe", "List", "Validate")


class SecretStore:
    """A directory with one file per secret, which is always a whole state of it: replaced, never written into.

    What a change costs does not grow with the number of secrets.
    """

    def __init__(self, directory: Path, *, fsync: bool = True) -> None:
        self._directory = directory
        self._fsync = fsync
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)

    def save(self, backend: SecretsManagerBackend, name: str) -> None:
        """Writes one secret: values, versions, stages, tags, ARN and what else describes it; or that it is gone."""
        secret = backend.secrets.get(name)
        if isinstance(secret, FakeSecret):
            self._write(name, {field: value for field, value in vars(secret).items() if field not in NOT_KEPT})
        else:
            self._file(name).unlink(missing_ok=True)

    def restore(self, backend: SecretsManagerBackend) -> None:
        """Puts the secrets of the files, if there are any, into an empty backend."""
        self._take_over_single_file()
        kept = [json.loads(file.read_text(encoding="utf-8")) for file in self._directory.glob("*.json")]
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
        # A name may hold slashes and be longer than that of a file.
        return self._directory / f"{hashlib.sha256(name.encode(errors='surrogatepass')).hexdigest()}.json"

    def _take_over_single_file(self) -> None:
        """Reads the one file for all secrets that stacks had before they had this directory."""
        single = self._directory.with_suffix(".json")
        if single.exists():
            for kept in json.loads(single.read_text(encoding="utf-8")):
                self._write(kept["secret_id"], kept)
            single.unlink()


def changes_secrets(action: str) -> bool:
    """Tells whether a Secrets Manager action may leave the secrets different from before."""
    return not action.startswith(READ_ONLY)


def named_secret(backend: SecretsManagerBackend, request: bytes) -> str:
    """Returns the name of the secret that a request is about, whichever way it says so; "" when it is about none."""
    try:
        document = json.loads(request)
    except (ValueError, RecursionError):
        return ""
    wanted = (document.get("SecretId") or document.get("Name")) if isinstance(document, dict) else None
    if not isinstance(wanted, str):
        return ""
    secret = backend.secrets.get(wanted)
    return secret.name if isinstance(secret, FakeSecret) else wanted


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
