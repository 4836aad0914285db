"""The documents of an execution that are no pages: its history and definition as JSON, and one event."""

import json
from http import HTTPStatus
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from console import render
from console.addresses import name_in
from console.errors import ConsoleError
from console.executions import Execution
from console.formatting import legible
from console.setting import Setting


def history(setting: Setting, request: Request) -> Response:
    """Return the export of a history."""
    execution = _read(setting, request)
    if isinstance(execution, Response):
        return execution
    file = quote(legible(execution.name), safe="")
    headers = {"content-disposition": f"attachment; filename*=UTF-8''{file}.json"}
    return Response(_text(render.history_document(execution.events)), media_type="application/json", headers=headers)


def definition(setting: Setting, request: Request) -> Response:
    """Return the definition that an execution runs."""
    execution = _read(setting, request)
    if isinstance(execution, Response):
        return execution
    return PlainTextResponse(_text(execution.definition), headers={"cache-control": "no-store"})


def event(setting: Setting, request: Request) -> Response:
    """Return one event of a history as text."""
    execution = _read(setting, request)
    if isinstance(execution, Response):
        return execution
    found = [one for one in execution.events if one["id"] == request.path_params["number"]]
    if not found:
        return PlainTextResponse("no such event", HTTPStatus.NOT_FOUND)
    return PlainTextResponse(_text(render.event_document(found[0])))


def _read(setting: Setting, request: Request) -> Execution | Response:
    machine, name = (name_in(request.path_params[one]) for one in ("machine", "name"))
    try:
        execution = setting.sources.executions.read(name, machine)
    except ConsoleError as error:
        return PlainTextResponse(str(error), HTTPStatus.BAD_GATEWAY)
    return execution or PlainTextResponse("no such execution", HTTPStatus.NOT_FOUND)


def _text(document: object) -> str:
    return legible(json.dumps(document, indent=2, ensure_ascii=False))
