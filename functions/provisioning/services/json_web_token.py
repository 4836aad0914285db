"""JSON Web Tokens signed with HS256 (RFC 7515, RFC 7519): made when needed and never stored."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Mapping

SHORT_LIVED_SECONDS = 60
PROJECT_KEY_SECONDS = 10 * 365 * 24 * 3600
"""What Supabase gives the anon and service_role keys of a project: ten years."""


def sign(secret: str, claims: Mapping[str, object]) -> str:
    """Return the signed token. The same secret and claims give the same token."""
    content = f"{_encode({'alg': 'HS256', 'typ': 'JWT'})}.{_encode(claims)}"
    signature = hmac.new(secret.encode(), content.encode(), hashlib.sha256).digest()
    return f"{content}.{_base64url(signature)}"


def bearer(secret: str) -> dict[str, str]:
    """Return the Authorization header of one request, with a token that is valid for one minute."""
    now = int(time.time())
    return {"Authorization": f"Bearer {sign(secret, {'iat': now, 'exp': now + SHORT_LIVED_SECONDS})}"}


def project_key(jwt_secret: str, role: str, issued_at: int) -> str:
    """Return a project's `anon` or `service_role` key, issued at that Unix time: the same one every time."""
    claims = {"role": role, "iss": "provisioner", "iat": issued_at, "exp": issued_at + PROJECT_KEY_SECONDS}
    return sign(jwt_secret, claims)


def _encode(document: Mapping[str, object]) -> str:
    return _base64url(json.dumps(document, separators=(",", ":")).encode())


def _base64url(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()
