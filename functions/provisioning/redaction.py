"""Redact secrets in what is logged or shown. No code puts a secret there on purpose: this is the safety net."""

import functools
import json
import re
from typing import Any

REDACTED = "[redacted]"

DEEPEST = 64
TOO_DEEP = f"[nested deeper than {DEEPEST} levels]"

KEYS = (
    *("api", "raw", "private", "secret", "access", "encryption"),
    *("signing", "master", "service_role", "anon", "stripe"),
)
NAMES = frozenset(
    (
        *("password", "passwd", "pwd", "passphrase", "secret", "secrets", "token", "tokens", "authorization", "cookie"),
        *("credential", "credentials", "dsn", "connection_string", "database_url", "verifier", "jwt", "signature"),
        *(f"{kind}key" for kind in KEYS),
        *(f"{kind}_key" for kind in KEYS),
    )
)
"""A value is a secret if its name ends with one of these. An ARN or id of one is not (secret_arn, key_id), and
"api_keys" is a count.
"""

NESTED = (dict, list, tuple)

CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")

VALUES = re.compile(
    r"(?P<dsn>(?<=://)[^\s/@:\"']*:[^\s/@\"']+(?=@))"
    r"|(?P<pair>(?P<name>(?i:(?<![:/\w-])(?:password|passwd|pwd|secret|token)\b(?:\s*=\s*|:(?=\S)|[\"']\s*:\s*)))"
    r"(?:\"[^\"]*\"|'[^']*'|[^\s,;&\"']+))"
    r"|(?P<credentials>(?P<scheme>(?i:\b(?:bearer|basic)\s+))[A-Za-z0-9._~+/=-]{8,})"
    r"|(?P<verifier>SCRAM-SHA-256\$[^\s\"']+)"
    r"|(?P<jwt>\beyJ[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]{5,}(?:\.[A-Za-z0-9_-]*)?)"
    r"|(?P<api_key>\b[A-Za-z0-9-]{1,32}_(?:publishable|secret|service_role)_[A-Za-z0-9]{20,})"
    r"|(?P<aws>\b(?:AKIA|ASIA)[A-Z0-9]{16}\b)"
    r"|(?P<pem>-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z))"
)
"""What looks like a secret, wherever it occurs."""


def redact(value: Any, depth: int = 0) -> Any:
    """Return the document without its secrets: values under a secret's name, and whatever looks like a secret.

    Text that is itself JSON is redacted inside and stays JSON. What is nested deeper than 64 levels is omitted.
    """
    if isinstance(value, str):
        return redact_text(value, depth)
    if not isinstance(value, NESTED):
        return value
    if depth == DEEPEST:
        return TOO_DEEP
    if isinstance(value, dict):
        return {
            shown: _hide(below, depth + 1) if of_secret else redact(below, depth + 1)
            for name, below in value.items()
            for shown, of_secret in [_judge_name(str(name))]
        }
    return [redact(below, depth + 1) for below in value]


def redact_text(text: str, depth: int = 0) -> str:
    """Return the text without its secrets."""
    if depth < DEEPEST and text.lstrip()[:1] in {"{", "["}:
        try:
            document = json.loads(text)
            redacted = redact(document, depth + 1)
            return text if redacted == document else json.dumps(redacted, ensure_ascii=False)
        except (ValueError, RecursionError):
            pass
    return VALUES.sub(_without_secret, text)


@functools.lru_cache(maxsize=128)
def _judge_name(name: str) -> tuple[str, bool]:
    """Return the name as it may be shown, and whether its value is a secret. Log lines use few distinct names."""
    words = CAMEL.sub("_", name).strip().lower().replace("-", "_").split("_")
    names_secret = any("_".join(words[start:]) in NAMES for start in range(len(words)))
    return redact_text(name, DEEPEST), names_secret


def _hide(value: Any, depth: int) -> Any:
    """Redact every nested value, keeping the structure visible."""
    if depth == DEEPEST:
        return TOO_DEEP
    if isinstance(value, dict):
        return {_judge_name(str(name))[0]: _hide(below, depth + 1) for name, below in value.items()}
    if isinstance(value, list | tuple):
        return [_hide(below, depth + 1) for below in value]
    return value if value is None or isinstance(value, bool) or value == "" else REDACTED


def _without_secret(found: re.Match[str]) -> str:
    if found["dsn"]:
        return f"{found['dsn'].partition(':')[0]}:{REDACTED}"
    return f"{found['name'] or found['scheme'] or ''}{REDACTED}"
