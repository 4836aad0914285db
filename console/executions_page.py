"""The page of all executions: newest first, filtered, paged, live. Its query says which."""

from starlette.requests import Request

from console import formatting
from console.addresses import execution_link
from console.execution_list import STATUSES, Query
from console.executions import PAGE
from console.setting import Setting
from console.view import Part, View


def executions_page(setting: Setting, request: Request) -> View:
    """Return the page. Raise ConsoleError."""
    asked = request.query_params
    more = _number(asked.get("more", "0"))
    query = Query(
        status=asked.get("status", ""),
        project=asked.get("project", "").strip(),
        machine=asked.get("machine", ""),
        page=_number(asked.get("page", "1")),
        most=PAGE * (1 + more),
    )
    machines = setting.sources.executions.machines
    listed = {
        "page": setting.sources.execution_list.look(query),
        "filtered": bool(query.status or query.project or query.machine),
        "starts_jobs": setting.starts_jobs,
        "link": execution_link,
        "more": more,
    }
    context = {
        "query": query,
        "statuses": {one: formatting.status_word(one).capitalize() for one in STATUSES},
        "machines": {name: formatting.job_words(arn) for name, arn in machines.items()} if len(machines) > 1 else {},
        "starts_jobs": setting.starts_jobs,
    }
    return View("Executions", "executions", {"list": Part("executions", listed)}, context)


def _number(text: str) -> int:
    """Return a number of a query; what is none is 0."""
    return int(text) if text.isdecimal() and len(text) < 7 else 0
