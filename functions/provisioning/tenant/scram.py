"""SCRAM-SHA-256 verifiers, so that PostgreSQL never sees a password."""

import base64
import hashlib
import hmac
import secrets

ITERATIONS = 4096
SALT_BYTES = 16


def scram_verifier(password: str) -> str:
    """Return the verifier that CREATE ROLE … PASSWORD takes in place of an ASCII password.

    The form is PostgreSQL's (docs, pg_authid.rolpassword): SCRAM-SHA-256$iterations:salt$StoredKey:ServerKey, its keys
    those of RFC 5802, section 3. SASLprep changes no printable ASCII, so it is not applied; other passwords raise
    ValueError.
    """
    if not (password.isascii() and password.isprintable()):
        raise ValueError("only printable ASCII passwords are supported")
    salt = secrets.token_bytes(SALT_BYTES)
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, ITERATIONS)
    client_key = hmac.digest(salted, b"Client Key", "sha256")
    stored_key = hashlib.sha256(client_key).digest()
    server_key = hmac.digest(salted, b"Server Key", "sha256")
    return f"SCRAM-SHA-256${ITERATIONS}:{_base64(salt)}${_base64(stored_key)}:{_base64(server_key)}"


def _base64(value: bytes) -> str:
    return base64.b64encode(value).decode()
