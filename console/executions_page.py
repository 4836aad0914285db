"""The page of all executions: newest first, filtered, paged, live."""

import asyncio
from dataclasses import replace

from nicegui import ui

from console import formatting
from console.addresses import execution_link
from console.errors import ConsoleError
from console.execution_list import STATUSES, Page, Query
from console.executions import PAGE
from console.frame import Section, Setting, frame, html

POLL_SECONDS = 2.0


def executions_page(setting: Setting) -> None:
    """Build the page."""
    with frame(setting, "Executions"):
        with ui.element("div").classes("heading"):
            html("<h1>Executions</h1>").classes("grow")
            if setting.starts_jobs:
                html('<a class="button main" href="/start">Start a job</a>')
        _List(setting).build()


class _List:
    def __init__(self, setting: Setting) -> None:
        self._setting = setting
        self._query = Query()
        self._page: Page | None = None
        self._problem = ""
        self._looking = False

    def build(self) -> None:
        with ui.element("div").classes("filters"):
            statuses = {"": "Any status"} | {status: formatting.status_word(status).capitalize() for status in STATUSES}
            ui.select(statuses, value="", label="Status", on_change=lambda event: self._ask(status=event.value)).props(
                "outlined dense options-dense"
            ).classes("filter")
            machines = self._setting.sources.executions.machines
            if len(machines) > 1:
                jobs = {"": "Any job"} | {name: formatting.job_words(arn) for name, arn in machines.items()}
                ui.select(jobs, value="", label="Job", on_change=lambda event: self._ask(machine=event.value)).props(
                    "outlined dense options-dense"
                ).classes("filter")
            ui.input("Project", on_change=lambda event: self._ask(project=(event.value or "").strip())).props(
                "outlined dense clearable debounce=300"
            ).classes("filter")
        self._section = Section("panel list")
        self._show()
        ui.on("page", lambda event: self._ask(page=int(event.args)))
        ui.on("more", lambda _: self._ask(most=self._query.most + PAGE, page=self._query.page + 1))
        ui.timer(0.01, self._look, once=True)
        ui.timer(POLL_SECONDS, self._look, immediate=False)

    async def _ask(self, **change: object) -> None:
        self._query = replace(self._query, **{"page": 1, **change})  # type: ignore[arg-type]
        await self._look(again=True)

    async def _look(self, *, again: bool = False) -> None:
        if self._looking and not again:
            return
        query, self._looking = self._query, True
        try:
            page: Page | None = await asyncio.to_thread(self._setting.sources.execution_list.look, query)
            problem = ""
        except ConsoleError as error:
            page, problem = self._page, str(error)
        finally:
            self._looking = False
        if query == self._query:
            # An answer to an older query would undo the user's later one.
            self._page, self._problem = page, problem
            self._show()

    def _show(self) -> None:
        self._section.show(
            "executions",
            page=self._page,
            problem=self._problem,
            filtered=bool(self._query.status or self._query.project or self._query.machine),
            starts_jobs=self._setting.starts_jobs,
            link=execution_link,
        )
