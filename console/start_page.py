"""The page that starts a job: a form for each job type, checked by the same rules that its stages apply."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from itertools import groupby
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request

from console import actions, formatting
from console.addresses import execution_link
from console.payload_fields import Kind, document_of, fields_of
from console.setting import Setting
from console.state_machines import machine_of
from console.view import View
from provisioning.jobs import rules
from provisioning.jobs.declaration import Declaration, JobType
from provisioning.jobs.registry import DECLARATIONS, state_machine_of
from provisioning.jobs.rules import Problem

SURE = "sure"
"""The button of the question, whose form has all fields again."""


def start_page(setting: Setting, request: Request) -> View:
    """Return the form of a job type, the first one's without a name. The address may fill in text.

    Raise HTTPException if there is no such type.
    """
    del setting
    declared = _declared(request)
    given = request.query_params
    values = {
        field.name: given[field.name] if field.kind is Kind.TEXT and field.name in given else field.value
        for field in fields_of(declared)
    }
    return _form(declared, values)


def start(setting: Setting, request: Request, entered: Mapping[str, str]) -> str | View:
    """Start the job, or return the form with its problems, or with the question. Raise ConsoleError."""
    declared = _declared(request)
    # A checkbox that is not checked is not sent.
    values = {
        one.name: one.name in entered if one.kind is Kind.CHECKBOX else entered.get(one.name, "")
        for one in fields_of(declared)
    }
    document, found = _read(declared, values)
    if found:
        return _form(declared, values, found)
    if SURE not in entered:
        return _form(declared, values, asks=True)
    executions = setting.sources.executions
    name = actions.start(executions, declared.job_type, document)
    return execution_link(machine_of(state_machine_of(executions.state_machine_arn, declared.job_type)), name)


def _declared(request: Request) -> Declaration:
    wanted = request.path_params.get("job_type")
    declared = DECLARATIONS.get(JobType(wanted)) if wanted else next(iter(DECLARATIONS.values()))
    if declared is None:
        raise HTTPException(HTTPStatus.NOT_FOUND)
    return declared


def _read(declared: Declaration, values: Mapping[str, Any]) -> tuple[dict[str, Any], list[Problem]]:
    """Return the payload in the form, and every problem that it has: what is no value, and each broken rule."""
    parsed, found = {}, []
    for field in fields_of(declared):
        try:
            parsed[field.name] = field.parse(values[field.name])
        except ValueError as error:
            found.append(Problem(field.name, str(error)))
    document = document_of(parsed)
    unread = {one.field for one in found}
    found += [one for one in rules.problems(declared.schema, document) if one.field not in unread]
    return document, found


def _form(
    declared: Declaration, values: Mapping[str, Any], problems: Sequence[Problem] = (), *, asks: bool = False
) -> View:
    context = {
        "chosen": declared,
        "types": {one: formatting.type_words(one) for one in DECLARATIONS},
        "groups": [(title, list(fields)) for title, fields in groupby(fields_of(declared), key=lambda one: one.group)],
        "values": values,
        "rules": {one.field: one.rule for one in reversed(problems)},
        "first": problems[0].field if problems else "",
        "problems": problems,
        "asks": asks,
    }
    status = HTTPStatus.UNPROCESSABLE_ENTITY if problems else HTTPStatus.OK
    return View("Start a job", "start", context=context, status=status, poll_seconds=0)
