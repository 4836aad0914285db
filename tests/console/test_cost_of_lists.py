"""A page of jobs or projects costs as much over 10,000 as over 30: the console's CPU time for one request."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from typing import Any

import pytest
from starlette.requests import Request
from typing_extensions import override

from console.answers import Answers
from console.execution_list import ExecutionList
from console.executions import Executions
from console.job_view import Sources
from console.jobs_page import jobs_page
from console.ledger import Answer, Ledger
from console.logs import Logs
from console.projects_page import projects_page
from console.setting import Setting
from console.view import View
from local.postgres import PostgresServer
from provisioning.control_plane import ControlPlane
from upkeep.migrate import MIGRATIONS

MACHINE = "arn:aws:states:us-east-1:123456789012:stateMachine:laptop-provision-project"
TIMES = 15
FEW, MANY = 30, 10_000
ROWS = """
    INSERT INTO control_plane.projects (project_id, organization_id, owner_id, region, created_at)
    SELECT 'p-' || n, 'org', 'owner', 'us-east-1', now() - n * interval '1 second'
    FROM generate_series(1, %(many)s) AS n;
    INSERT INTO control_plane.jobs (job_id, job_type, project_id, status, created_at, completed_at)
    SELECT 'job-' || n, 'provision_project', 'p-' || n, 'succeeded', now() - n * interval '1 second', now()
    FROM generate_series(1, %(many)s) AS n;
"""


class OfPlane(Ledger):
    """A ledger over a given connection, on the thread that asks."""

    def __init__(self, control: ControlPlane) -> None:
        super().__init__()
        self._control = control

    @override
    def ask(self, question: Callable[[ControlPlane], Answer]) -> Answer:
        return question(self._control)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    with PostgresServer(tmp_path_factory.mktemp("postgres"), fsync=False) as running:
        yield running


@pytest.fixture(scope="module")
def settings(server: PostgresServer) -> Iterator[dict[int, Setting]]:
    """A console over a little more than a page of jobs and projects, and one over ten thousand. None of them runs."""
    with ExitStack() as undo:
        found = {}
        superuser = undo.enter_context(closing(server.connect()))
        for many in (FEW, MANY):
            with superuser.cursor() as cursor:
                cursor.execute(f"CREATE DATABASE plane_{many}")
            session = undo.enter_context(closing(server.connect(f"plane_{many}")))
            with session.cursor() as cursor:
                for file in sorted(MIGRATIONS.glob("*.sql")):
                    cursor.execute(file.read_text())
                cursor.execute(ROWS, {"many": many})
                cursor.execute("VACUUM ANALYZE control_plane.jobs, control_plane.projects")
            # Nobody asks Step Functions about jobs that have ended.
            executions: Executions = Executions(None, MACHINE)
            ledger = OfPlane(ControlPlane(session))
            sources = Sources(executions, ledger, Logs(None), ExecutionList(executions, ledger))
            found[many] = Setting(sources, "here", read_only=True)
        yield found


def cpu_milliseconds(setting: Setting, build: Callable[[Setting, Request], View], query: str) -> float:
    """The least CPU time that one of several requests took."""
    found, answers = [], Answers(setting)
    for number in range(TIMES):
        scope: dict[str, Any] = {"type": "http", "method": "GET", "path": "/", "headers": []}
        # Each is another address, so that nothing rendered before is used again.
        request = Request({**scope, "query_string": f"{query}&n={number}".encode()})
        began = time.process_time()
        answer = answers.show(request, build(setting, request))
        found.append(1000 * (time.process_time() - began))
        assert bytes(answer.body).count(b"<tr data-") == 25
    return min(found)


@pytest.mark.parametrize(("build", "query"), [(jobs_page, ""), (jobs_page, "outcome=succeeded"), (projects_page, "")])
def test_a_page_of_ten_thousand_costs_no_more_cpu_than_one_of_thirty(
    settings: dict[int, Setting],
    build: Callable[[Setting, Request], View],
    query: str,
    record_property: Callable[[str, object], None],
) -> None:
    few, many = (cpu_milliseconds(settings[one], build, query) for one in (FEW, MANY))
    record_property("milliseconds", f"{few:.2f} of {FEW}, {many:.2f} of {MANY}")
    # Reading ten thousand rows takes twenty times as long, even if only a page of them is rendered.
    assert many <= 4 * few
