"""The pages of the clusters: room, pool, connections, versions, and what upkeep has last found wrong with each."""

from http import HTTPStatus

from starlette.exceptions import HTTPException
from starlette.requests import Request

from console.addresses import name_in, page_link
from console.ledger import can_be_stored
from console.setting import Setting
from console.view import Part, View
from provisioning.examination import recording

POLL_SECONDS = 10.0
"""Upkeep examines a cluster every ten minutes."""


def clusters_page(setting: Setting, request: Request) -> View:
    """Return the page of all clusters. Raise ConsoleError."""
    del request
    found = setting.sources.ledger.ask(recording.find)
    parts = {"list": Part("clusters", {"clusters": found, "link": page_link})}
    return View("Clusters", "clusters", parts, poll_seconds=POLL_SECONDS)


def cluster_page(setting: Setting, request: Request) -> View:
    """Return the page of one cluster. Raise ConsoleError, or HTTPException for an unknown one."""
    cluster_id = name_in(request.path_params["cluster_id"])
    found = (
        setting.sources.ledger.ask(lambda control: recording.find(control, cluster_id))
        if can_be_stored(cluster_id)
        else []
    )
    if not found:
        raise HTTPException(HTTPStatus.NOT_FOUND)
    parts = {"cluster": Part("cluster", {"cluster": found[0]})}
    return View(cluster_id, "cluster", parts, poll_seconds=POLL_SECONDS)
