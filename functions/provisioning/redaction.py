"""Takes secrets out of what is logged or shown. No secret is put there on purpose: this is the net below."""

import json
import re
from typing import Any

REDACTED = "[redacted]"

DEEPEST = 64
TOO_DEEP = f"[nested deeper than {DEEPEST} levels]"

NAMES = re.compile(
    r"(^|_|-)(password|passwd|pwd|passphrase|secrets?|tokens?|authorization|cookie|credentials?|dsn|connection_string|"
    r"database_url|verifier|jwt|signature|"
    r"(api|raw|private|secret|access|encryption|signing|master|service_role|anon|stripe)_?key)$"
)
"""Names whose value is a secret. An ARN or an id of one is none (secret_arn, key_id), and "api_keys" is how many."""

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
"""What is a secret by its looks, wherever it stands."""


def redact(value: Any, depth: int = 0) -> Any:
    """Returns the same document without its secrets: values under a secret's name, and whatever looks like a secret.

    Text that is JSON itself is redacted inside, and stays JSON. What is nested deeper than 64 levels is left out.
    """
    if isinstance(value, str):
        return redact_text(value, depth)
    if not isinstance(value, dict | list | tuple):
        return value
    if depth == DEEPEST:
        return TOO_DEEP
    if isinstance(value, dict):
        return {
            redact_text(str(name), DEEPEST): _hide(below, depth + 1)
            if _names_secret(name)
            else redact(below, depth + 1)
            for name, below in value.items()
        }
    return [redact(below, depth + 1) for below in value]


def redact_text(text: str, depth: int = 0) -> str:
    """Returns the text without its secrets."""
    if depth < DEEPEST and text.lstrip()[:1] in {"{", "["}:
        try:
            document = json.loads(text)
            redacted = redact(document, depth + 1)
            return text if redacted == document else json.dumps(redacted, ensure_ascii=False)
        except (ValueError, RecursionError):
            pass
    return VALUES.sub(_without_secret, text)


def _names_secret(name: object) -> bool:
    return NAMES.search(CAMEL.sub("_", str(name)).lower()) is not None


def _hide(value: Any, depth: int) -> Any:
    """Hides every value below, and leaves to be seen that it is there."""
    if depth == DEEPEST:
        return TOO_DEEP
    if isinstance(value, dict):
        return {name: _hide(below, depth + 1) for name, below in value.items()}
    if isinstance(value, list | tuple):
        return [_hide(below, depth + 1) for below in value]
    return value if value is None or isinstance(value, bool) or value == "" else REDACTED


def _without_secret(found: re.Match[str]) -> str:
    if found["dsn"]:
        return f"{found['dsn'].partition(':')[0]}:{REDACTED}"
    return f"{found['name'] or found['scheme'] or ''}{REDACTED}"
