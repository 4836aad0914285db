"""The format of an API key: {prefix}_{kind}_{random}{checksum}.

The random part is 32 characters of base62: 190 bits, of which the stored hint gives away at most 24. The checksum is
the CRC-32 of everything before it as 6 characters of base62, so that a scanner can tell a real key from a look-alike
without asking a database.
"""

import hashlib
import hmac
import re
import secrets
import string
import zlib

ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
RANDOM_CHARACTERS = 32
CHECKSUM_CHARACTERS = 6
HINT_CHARACTERS = 4
KINDS = ("publishable", "secret", "service_role")
FORM = rf"[A-Za-z0-9-]{{1,32}}_(?:{'|'.join(KINDS)})_[0-9A-Za-z]{{{RANDOM_CHARACTERS + CHECKSUM_CHARACTERS}}}"


class ApiKey:
    """A key as it is shown once. Its text does not appear in the object's repr."""

    def __init__(self, kind: str, text: str) -> None:
        self.kind = kind
        self.text = text

    @property
    def hint(self) -> str:
        """The last four characters: enough for a person to tell keys apart, useless to anyone else."""
        return self.text[-HINT_CHARACTERS:]

    @property
    def digest(self) -> bytes:
        """The SHA-256 of the key. A slow hash would add nothing: there is no dictionary of such keys."""
        return hashlib.sha256(self.text.encode()).digest()


def generate(prefix: str, count: int) -> list[ApiKey]:
    """Return new keys of these kinds."""
    return [_generate_one(prefix, kind) for kind in kinds(count)]


def kinds(count: int) -> list[str]:
    """Return the kinds of so many keys, in order: publishable, secret, service_role, then secret again."""
    return [KINDS[position] if position < len(KINDS) else "secret" for position in range(count)]


def is_well_formed(text: str) -> bool:
    """Return whether the text has the form and the checksum of a key, valid or not."""
    return re.fullmatch(FORM, text) is not None and hmac.compare_digest(
        text[-CHECKSUM_CHARACTERS:], _checksum(text[:-CHECKSUM_CHARACTERS])
    )


def matches(text: str, digest: bytes) -> bool:
    """Return, in constant time, whether the text is the key behind the digest."""
    return hmac.compare_digest(hashlib.sha256(text.encode()).digest(), digest)


def _generate_one(prefix: str, kind: str) -> ApiKey:
    random_part = "".join(secrets.choice(ALPHABET) for _ in range(RANDOM_CHARACTERS))
    body = f"{prefix}_{kind}_{random_part}"
    return ApiKey(kind, body + _checksum(body))


def _checksum(body: str) -> str:
    number = zlib.crc32(body.encode())
    characters = []
    for _ in range(CHECKSUM_CHARACTERS):
        number, digit = divmod(number, len(ALPHABET))
        characters.append(ALPHABET[digit])
    return "".join(reversed(characters))
