"""Where this tree is."""

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
EVENTS = ROOT / "events"
TENANT_SCHEMA = ROOT / "functions" / "tenant_schema"
