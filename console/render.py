"""Fill the templates of the page. Names chosen by others are escaped."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from console import formatting
from console.history import Event, details_of
from provisioning.redaction import redact, redact_text

TEMPLATES = Path(__file__).with_name("templates")
LONGEST_SUMMARY = 120


def render(template: str, **context: Any) -> str:
    """Return templates/{template}.html filled with the context. Raise jinja2.UndefinedError if a value is missing."""
    return formatting.legible(_templates.get_template(f"{template}.html").render(**context))


def pretty(text: str) -> str:
    """Return a document's JSON, indented and without secrets; text that is not JSON is only redacted."""
    text = redact_text(text)
    try:
        return json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        return text


def event_summary(event: Event) -> str:
    """Return a short description of an event's state, error or resource, without secrets."""
    details = details_of(event)
    parts = [details.get("name"), details.get("error"), details.get("cause"), details.get("resource")]
    text = redact_text(" ".join(" · ".join(str(part) for part in parts if part).split()))
    return text if len(text) <= LONGEST_SUMMARY else f"{text[: LONGEST_SUMMARY - 1]}…"


def event_document(event: Event) -> dict[str, Any]:
    """Return an event as a JSON document without secrets, with times in ISO 8601 and nested JSON text parsed."""
    plain = json.loads(json.dumps(event, default=lambda value: value.isoformat()))
    opened: dict[str, Any] = _opened(redact(plain))
    return opened


def history_document(events: Sequence[Event]) -> list[dict[str, Any]]:
    """Return a whole history for the export."""
    return [event_document(event) for event in events]


def _opened(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _opened(below) for name, below in value.items()}
    if isinstance(value, str) and value[:1] in {"{", "["}:
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            return value
    return value


_templates = Environment(
    loader=FileSystemLoader(TEMPLATES),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_templates.filters.update(
    clock=formatting.clock,
    precise_clock=formatting.precise_clock,
    date_and_clock=formatting.date_and_clock,
    seconds=formatting.seconds,
    stage_words=formatting.stage_words,
    status_word=formatting.status_word,
    status_class=formatting.status_class,
    project_class=formatting.project_class,
    pretty=pretty,
    redacted=redact_text,
)
_templates.globals.update(signs=formatting.SIGNS, step_seconds=formatting.step_seconds)
