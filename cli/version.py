"""Which version of the command this is."""

import subprocess
from importlib import metadata
from pathlib import Path

PACKAGE = "provisioner"
ROOT = Path(__file__).resolve().parent.parent


def version() -> str:
    """Return the package's version and, where this is a work tree of git, its commit."""
    try:
        known = metadata.version(PACKAGE)
    except metadata.PackageNotFoundError:
        known = "unknown version"
    commit = _commit()
    return f"provision {known}{f' (commit {commit})' if commit else ''}"


def _commit() -> str:
    if not (ROOT / ".git").exists():
        return ""
    try:
        done = subprocess.run(  # noqa: S603 (git, where this file is)
            ["git", "-C", str(ROOT), "describe", "--always", "--dirty=, changed", "--exclude=*"],  # noqa: S607
            capture_output=True,
            text=True,
            check=False,
            timeout=5,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip()
