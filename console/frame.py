"""The frame of every page: its head, the bar at the top, and sections that are sent again only when they change."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nicegui import ui

from console.errors import ConsoleError
from console.formatting import legible
from console.job_view import Sources
from console.render import render
from provisioning.jobs.registry import job_type_of

STATIC = Path(__file__).with_name("static")
STATIC_URL = "/console-static"


@dataclass(frozen=True)
class Setting:
    """The sources that a console shows, and whether it may act."""

    sources: Sources
    where: str
    """The endpoint and the state machine, as shown in the bar at the top."""
    read_only: bool = False

    @property
    def starts_jobs(self) -> bool:
        """Whether jobs can be started: a state machine of no job type has no form."""
        return not self.read_only and job_type_of(self.sources.executions.state_machine_arn) is not None


@contextmanager
def frame(setting: Setting, title: str) -> Iterator[None]:
    """Lay out a page around the block's elements."""
    ui.page_title(f"{legible(title)} · Provisioner")
    version = max(int(file.stat().st_mtime) for file in STATIC.iterdir())
    ui.add_head_html(
        f'<link rel="stylesheet" href="{STATIC_URL}/console.css?{version}">'
        f'<script defer src="{STATIC_URL}/console.js?{version}"></script>'
    )
    ui.colors(primary="#2456c9")
    html(render("top", where=setting.where, read_only=setting.read_only))
    with ui.element("div").props('id=main tabindex="-1"'):
        yield


class Section:
    """A part of a page that a template fills. It is sent to the browser again only when its text changes."""

    def __init__(self, css_class: str = "") -> None:
        self._element = html("").classes(css_class)

    def show(self, template: str, **context: Any) -> None:
        """Fill it. Raise jinja2.UndefinedError if the template lacks a value."""
        filled = render(template, **context)
        if filled != self._element.content:
            self._element.content = filled

    def clear(self) -> None:
        """Empty it."""
        self._element.content = ""


def html(content: str, tag: str = "div") -> ui.html:
    """Add markup from the templates to the page. The templates escape all names chosen by others."""
    return ui.html(content, sanitize=False, tag=tag)


@contextmanager
def panel(title: str, css_class: str = "") -> Iterator[ui.element]:
    """Lay out a titled panel around the block's elements, and yield its head."""
    with ui.element("section").classes(f"panel {css_class}").props(f'aria-label="{title}"'):
        with ui.element("div").classes("panel-head") as head:
            html(title, "h2")
        yield head


def button(text: str, action: Any, css_class: str = "") -> ui.element:
    """Add a button to the page."""
    made = ui.element("button").classes(f"button {css_class}").props("type=button").on("click", action)
    with made:
        html(text, "span")
    return made


def confirm(title: str, text: str, act: str, action: Any) -> ui.dialog:
    """Return a dialog, closed at first, that asks before the action. The action returns the message to show."""
    with ui.dialog().props(f'aria-label="{title}"') as dialog, ui.card():
        html(render("question", title=title, text=text))
        problem = Section()

        async def sure() -> None:
            try:
                await action()
            except ConsoleError as error:
                problem.show("problem", problem=str(error))
            else:
                dialog.close()

        with ui.element("div").classes("dialog-buttons"):
            button("Cancel", dialog.close).props("autofocus")
            button(act, sure, "danger sure").props('data-sure="true"')
    return dialog
