"""Settings from the environment (template.yaml, Globals.Function.Environment), read when first needed."""

import os

from provisioning.errors import Misconfigured


def required(name: str) -> str:
    """Return the setting. Raise Misconfigured, naming it, when it is missing or empty."""
    value = os.environ.get(name, "")
    if not value:
        raise Misconfigured(f"the setting {name} is missing")
    return value


def optional(name: str, default: str = "") -> str:
    """Return the setting, or the default when it is missing or empty."""
    return os.environ.get(name) or default
