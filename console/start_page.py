"""The page that starts a job: a form, checked by the rules by which "Verify project" checks the payload."""

import asyncio
import json
from typing import Any

from nicegui import ui

from console import actions
from console.actions import RefusedField
from console.frame import Section, Setting, button, confirm, execution_link, frame, html
from provisioning.stage import Service

TEXTS = {
    "project_id": ("Project id", ""),
    "region": ("Region", "us-east-1"),
    "organization_id": ("Organization id (the project's own when empty)", ""),
    "owner_id": ("Owner id (the project's own when empty)", ""),
    "database.size": ("Size", "db.t3.micro"),
    "database.storage_gb": ("Storage in GB", "20"),
    "api_keys.count": ("Count", "2"),
    "api_keys.prefix": ("Prefix (from the project id when empty)", ""),
    "metadata": ("Metadata, a JSON object", "{}"),
}
NUMBERS = {"database.storage_gb", "api_keys.count"}


def start_page(setting: Setting) -> None:
    """Build the page."""
    with frame(setting, "Start a job"):
        html('<div class="heading"><h1>Start a job</h1></div>')
        _Form(setting).build()


class _Form:
    def __init__(self, setting: Setting) -> None:
        self._setting = setting
        self._fields: dict[str, Any] = {}
        self._document: dict[str, Any] = {}

    def build(self) -> None:
        with ui.element("form").classes("form").on("submit.prevent", self._check):
            with _group("Project"):
                self._texts("project_id", "region", "organization_id", "owner_id")
            with _group("Database"):
                self._fields["database.version"] = (
                    ui.select(["15", "16", "17", "18"], value="18", label="PostgreSQL version")
                    .props("outlined dense")
                    .classes("field")
                )
                self._texts("database.size", "database.storage_gb")
            with _group("Services"):
                for service in Service:
                    self._fields[f"services.{service}"] = ui.checkbox(service.capitalize(), value=True)
            with _group("API keys"):
                self._texts("api_keys.count", "api_keys.prefix")
            with _group("Metadata"):
                self._texts("metadata")
            self._problem = Section()
            with ui.element("div").classes("form-end"):
                html('<a class="button" href="/">Cancel</a>')
                button("Start …", self._check, "main").props("type=submit")
        self._question = confirm(
            "Start this job?",
            "It creates a database, registrations and API keys for the project.",
            "Start",
            self._start,
        )

    def _texts(self, *names: str) -> None:
        for name in names:
            label, value = TEXTS[name]
            made = ui.textarea(label, value=value) if name == "metadata" else ui.input(label, value=value)
            made.props(f'outlined dense name="{name}" bottom-slots').classes("field")
            self._fields[name] = made

    def _check(self) -> None:
        for field in self._fields.values():
            if hasattr(field, "error"):
                field.error = None
        try:
            self._document = self._read()
            actions.check_payload(self._document)
        except RefusedField as refused:
            self._problem.show("problem", problem=str(refused))
            field = self._fields.get(refused.field)
            if field is not None and hasattr(field, "error"):
                field.error = refused.rule
                field.run_method("focus")
            return
        self._problem.clear()
        self._question.open()

    def _read(self) -> dict[str, Any]:
        """Return the payload that is written in the form. Raises RefusedField for what is no number or no JSON."""
        document: dict[str, Any] = {}
        for name, field in self._fields.items():
            value = field.value.strip() if isinstance(field.value, str) else field.value
            if value in ("", None):
                continue
            if name in NUMBERS:
                value = _number(name, value)
            elif name == "metadata":
                value = _json(name, value)
            group, _, leaf = name.rpartition(".")
            (document.setdefault(group, {}) if group else document)[leaf] = value
        return document

    async def _start(self) -> None:
        name = await asyncio.to_thread(actions.start, self._setting.sources.executions, self._document)
        ui.navigate.to(execution_link(name))


def _group(title: str) -> ui.element:
    with ui.element("fieldset"):
        html(title, "legend")
        return ui.element("div").classes("grid")


def _number(name: str, text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise RefusedField(name, "must be of type integer") from None


def _json(name: str, text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise RefusedField(name, "must be a JSON object") from None
