"""The page that starts a job: a form for each job type, checked by the same rules that its stages apply."""

import asyncio
from collections.abc import Sequence
from itertools import groupby
from typing import Any

from nicegui import ui

from console import actions, formatting
from console.actions import RefusedPayload
from console.addresses import execution_link
from console.frame import Section, Setting, button, confirm, frame, html
from console.payload_fields import Field, Kind, document_of, fields_of
from console.render import render
from console.state_machines import machine_of
from provisioning.jobs.declaration import Declaration
from provisioning.jobs.registry import DECLARATIONS, state_machine_of
from provisioning.jobs.rules import Problem


def start_page(setting: Setting, declared: Declaration) -> None:
    """Build the page with the form for a job type."""
    with frame(setting, "Start a job"):
        html('<div class="heading"><h1>Start a job</h1></div>')
        html(render("job_types", types={one: formatting.type_words(one) for one in DECLARATIONS}, chosen=declared))
        _Form(setting, declared).build()


class _Form:
    def __init__(self, setting: Setting, declared: Declaration) -> None:
        self._executions = setting.sources.executions
        self._declared = declared
        self._fields = fields_of(declared)
        self._inputs: dict[str, Any] = {}
        self._document: dict[str, Any] = {}

    def build(self) -> None:
        with ui.element("form").classes("form").on("submit.prevent", self._check):
            for title, fields in groupby(self._fields, key=lambda field: field.group):
                self._group(title, list(fields))
            self._problem = Section()
            with ui.element("div").classes("form-end"):
                html('<a class="button" href="/">Cancel</a>')
                button("Start …", self._check, "main").props("type=submit")
        self._question = confirm("Start this job?", self._declared.summary, "Start", self._start)

    def _group(self, title: str, fields: Sequence[Field]) -> None:
        with ui.element("fieldset"):
            html(title, "legend")
            with ui.element("div").classes("grid"):
                for field in fields:
                    self._inputs[field.name] = _input(field)

    def _check(self) -> None:
        for made in self._inputs.values():
            if hasattr(made, "error"):
                made.error = None
        try:
            self._document = self._read()
            actions.check_payload(self._declared, self._document)
        except RefusedPayload as refused:
            self._problem.show("problem", problem=str(refused))
            marked = [(self._inputs.get(one.field), one.rule) for one in refused.problems]
            for made, rule in reversed([(made, rule) for made, rule in marked if hasattr(made, "error")]):
                made.error = rule
                made.run_method("focus")
            return
        self._problem.clear()
        self._question.open()

    def _read(self) -> dict[str, Any]:
        """Return the payload in the form. Raise RefusedPayload for invalid numbers or invalid JSON."""
        values, found = {}, []
        for field in self._fields:
            try:
                values[field.name] = field.parse(self._inputs[field.name].value)
            except ValueError as error:
                found.append(Problem(field.name, str(error)))
        if found:
            raise RefusedPayload(*found)
        return document_of(values)

    async def _start(self) -> None:
        job_type = self._declared.job_type
        name = await asyncio.to_thread(actions.start, self._executions, job_type, self._document)
        machine = machine_of(state_machine_of(self._executions.state_machine_arn, job_type))
        ui.navigate.to(execution_link(machine, name))


def _input(field: Field) -> Any:
    if field.kind is Kind.CHECKBOX:
        return ui.checkbox(field.label, value=bool(field.value))
    if field.kind is Kind.CHOICE:
        made: Any = ui.select(list(field.choices), value=field.value or None, label=field.label)
        return made.props("outlined dense").classes("field")
    made = (ui.textarea if field.kind is Kind.DOCUMENT else ui.input)(field.label, value=field.value)
    made.props(f'outlined dense name="{field.name}" bottom-slots').classes("field")
    if field.hint:
        made.props["hint"] = field.hint
    return made
