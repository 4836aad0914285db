"""Collect the secrets of runs where they are stored, and search for them where they must not be."""

import base64
import json
from collections.abc import Iterator
from urllib.parse import quote

from local.stack import Stack

NOT_SECRET = ("engine", "host", "port", "dbname", "username", "key_id", "kind", "api_keys_revealed_at")


class Secrets:
    """The secrets of a run, by name, collected from Secrets Manager whenever they may exist. Secrets of tenants that
    existed before belong to other tests, whose output was not kept apart.
    """

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._before = {name for name in self._names() if "/tenants/" in name}
        self.named: dict[str, str] = {}

    def gather(self) -> None:
        """Add what Secrets Manager holds now, and the connection strings that could be made from it."""
        secrets = self._stack.client("secretsmanager")
        for name in self._names() - self._before:
            self.add(name, json.loads(secrets.get_secret_value(SecretId=name)["SecretString"]))

    def _names(self) -> set[str]:
        pages = self._stack.client("secretsmanager").get_paginator("list_secrets").paginate()
        found = {secret["Name"] for page in pages for secret in page["SecretList"]}
        # Others are what tests have made, some of which are no JSON.
        return {name for name in found if name.startswith("provisioner/")}

    def add(self, name: str, document: dict[str, object]) -> None:
        """Add every secret of a document."""
        for field, value in document.items():
            if isinstance(value, list):
                for key in value:
                    self.add(f"{name}: {key['kind']} {field}", key)
            elif field not in NOT_SECRET and isinstance(value, str):
                self.named[f"{name}: {field} {value[-4:]}"] = value


def forms(secret: str) -> Iterator[bytes]:
    """Return the forms in which a secret can appear: plain, in a URL, in JSON, base64 at each of its three offsets."""
    plain = secret.encode()
    yield plain
    yield quote(secret, safe="").encode()
    yield json.dumps(secret)[1:-1].encode()
    yield plain.hex().encode()
    for offset in range(3):
        # The characters at either end depend on what is next to the secret.
        middle = slice((offset * 8 + 5) // 6, (offset + len(plain)) * 8 // 6)
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            yield encode(b"\0" * offset + plain)[middle]


def found_in(output: bytes, secrets: dict[str, str]) -> list[str]:
    """Return the names of the secrets that the output contains."""
    return [name for name, secret in secrets.items() if any(form in output for form in forms(secret))]
