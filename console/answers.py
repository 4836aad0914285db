"""Answer requests: a page is one function from a request to a View, and an open page hears of what changes in it."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from http import HTTPStatus
from pathlib import Path
from urllib.parse import parse_qsl, urlencode

from markupsafe import Markup
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response, StreamingResponse

from console.errors import ConsoleError
from console.formatting import legible
from console.render import render
from console.setting import Setting
from console.view import PAGE, Fragment, Pages, Part, View, seen_in, seen_text

STATIC = Path(__file__).with_name("static")
STATIC_URL = "/static"
STREAM = "text/event-stream"
SEEN = "seen"
PROBLEM = "problem"
RECONNECT_MILLISECONDS = 2000

Build = Callable[[Setting, Request], View]
"""Builds a page, in a thread. Raises ConsoleError while its source cannot be read, HTTPException if there is none."""
Act = Callable[[Setting, Request, Mapping[str, str]], str | View]
"""Does what a form asks for, in a thread. Returns the next address, or the page that says what is wrong with it."""
Endpoint = Callable[[Request], Awaitable[Response]]


def is_stream(request: Request) -> bool:
    """Return whether an open page asks for what changes in it."""
    return STREAM in request.headers.get("accept", "")


class Answers:
    """The answers of one console."""

    def __init__(self, setting: Setting) -> None:
        self._setting = setting
        self._pages = Pages()

    def page(self, build: Build) -> Endpoint:
        """Return the endpoint of a page. Asked for an event stream, it sends the parts that change.

        A page whose source cannot be read says so, and is loaded again once it can.
        """

        async def endpoint(request: Request) -> Response:
            if is_stream(request):
                return StreamingResponse(
                    self._changes(build, request), media_type=STREAM, headers={"cache-control": "no-store"}
                )
            try:
                view = await run_in_threadpool(build, self._setting, request)
            except ConsoleError as error:
                view = View("Not reachable", "unreachable", {PROBLEM: _problem(str(error))}, status=502)
            return await run_in_threadpool(self.show, request, view)

        return endpoint

    def action(self, act: Act) -> Endpoint:
        """Return the endpoint of a form. A script that sent it gets the address as text; a refusal is one line."""

        async def endpoint(request: Request) -> Response:
            entered = dict(parse_qsl((await request.body()).decode(errors="replace"), keep_blank_values=True))
            try:
                done = await run_in_threadpool(act, self._setting, request, entered)
            except ConsoleError as error:
                return PlainTextResponse(legible(str(error)), HTTPStatus.CONFLICT)
            if isinstance(done, View):
                return await run_in_threadpool(self.show, request, done)
            if request.headers.get("accept") == "text/plain":
                return PlainTextResponse(done)
            return RedirectResponse(done, HTTPStatus.SEE_OTHER)

        return endpoint

    def show(self, request: Request, view: View) -> Response:
        """Return a view as a page."""
        fragments = self._fragments(request, {PROBLEM: _problem(), **view.parts})

        def part(name: str, css_class: str = "") -> Markup:
            return Markup('<div data-part="{}" class="{}">{}</div>').format(name, css_class, fragments[name].html)

        text = render(
            f"pages/{view.template}",
            **view.context,
            part=part,
            title=view.title,
            seen=seen_text(view.template, fragments) if view.poll_seconds else "",
            where=self._setting.where,
            read_only=self._setting.read_only,
            static=_static,
        )
        return HTMLResponse(text, view.status, {"cache-control": "no-store", "vary": "accept"})

    async def _changes(self, build: Build, request: Request) -> AsyncIterator[str]:
        """Yield the messages of a stream. A browser that comes back sends the last one's id, which says what it has."""
        yield f"retry: {RECONNECT_MILLISECONDS}\n\n"
        seen = seen_in(request.headers.get("last-event-id") or request.query_params.get(SEEN, ""))
        page, pause = seen.pop(PAGE, ""), 2.0
        while True:
            try:
                view = await run_in_threadpool(build, self._setting, request)
            except ConsoleError as error:
                parts: Mapping[str, Part] = {PROBLEM: _problem(str(error))}
            except HTTPException:
                yield "event: reload\ndata: -\n\n"
                return
            else:
                if view.template != page or not view.poll_seconds:
                    # What is at this address now has another layout.
                    yield "event: reload\ndata: -\n\n"
                    return
                parts, pause = {PROBLEM: _problem(), **view.parts}, view.poll_seconds
            fragments = await run_in_threadpool(self._fragments, request, parts)
            changed = {name: one for name, one in fragments.items() if seen.get(name) != one.digest}
            seen |= {name: one.digest for name, one in changed.items()}
            yield _message(page, seen, {name: str(one.html) for name, one in changed.items()})
            await asyncio.sleep(pause)

    def _fragments(self, request: Request, parts: Mapping[str, Part]) -> dict[str, Fragment]:
        query = urlencode([one for one in request.query_params.multi_items() if one[0] != SEEN])
        return self._pages.at(f"{request.url.path}?{query}").fragments(parts)


def _message(page: str, seen: Mapping[str, str], changed: Mapping[str, str]) -> str:
    if not changed:
        # Whoever has gone away is noticed when something is sent.
        return ":\n\n"
    identity = " ".join(f"{name}={digest}" for name, digest in {PAGE: page, **seen}.items())
    return f"id: {identity}\ndata: {json.dumps(changed)}\n\n"


def _problem(text: str = "") -> Part:
    return Part("problem", {"problem": text})


def _static(name: str) -> str:
    """Return the address of a file that browsers may keep until it changes."""
    return f"{STATIC_URL}/{name}?{int((STATIC / name).stat().st_mtime)}"
