"""The page of all jobs that the ledger knows, whatever Step Functions has forgotten: filtered, searched, live."""

from starlette.requests import Request

from console import formatting
from console.executions_page import executions_page
from console.job_rows import WAITING
from console.paging import PAGE_SIZE, address, asked, place_in
from console.setting import Setting
from console.view import Part, View
from provisioning import overview
from provisioning.jobs.registry import DECLARATIONS
from provisioning.overview import Wanted

PATH = "/jobs"
OUTCOMES = ("running", WAITING, "succeeded", "failed", "rolled_back", "rollback_incomplete", "stopped", "pending")
"""What a job can be asked for: the statuses of the ledger, and waiting for the next attempt."""


def first_page(setting: Setting, request: Request) -> View:
    """Return the page of all jobs, or of all executions where no control plane is connected. Raise ConsoleError."""
    return (jobs_page if setting.sources.ledger.connected else executions_page)(setting, request)


def jobs_page(setting: Setting, request: Request) -> View:
    """Return the page. Raise ConsoleError."""
    filters = {name: asked(request, name) for name in ("outcome", "type", "stage", "search")}
    outcome = filters["outcome"]
    wanted = Wanted(
        job_type=filters["type"] or None,
        status=outcome if outcome not in {"", WAITING} else None,
        is_waiting=outcome == WAITING,
        standing_at=filters["stage"] or None,
        search=filters["search"] or None,
    )
    after = place_in(request)
    rows, is_cut = setting.job_rows.find(wanted, PAGE_SIZE, after)
    standing = setting.sources.ledger.ask(overview.find_standing)
    listed = {
        "rows": rows,
        "filtered": any(filters.values()),
        "starts_jobs": setting.starts_jobs,
        "first": address(PATH, filters) if after else "",
        "older": address(PATH, filters, rows[-1].place) if is_cut else "",
    }
    stages = [
        (one.stage, one.jobs, address(PATH, {"stage": "" if one.stage == filters["stage"] else one.stage}))
        for one in standing
    ]
    context = {
        "filters": filters,
        "outcomes": {one: formatting.status_word(one).capitalize() for one in OUTCOMES},
        "types": {one: formatting.type_words(one) for one in DECLARATIONS},
        "starts_jobs": setting.starts_jobs,
    }
    parts = {
        "standing": Part("standing", {"stages": stages, "chosen": filters["stage"]}),
        "list": Part("jobs", listed),
    }
    return View("Jobs", "jobs", parts, context)
