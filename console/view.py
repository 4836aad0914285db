"""What a page shows: a template around parts. A part is rendered and sent again only if what it shows has changed."""

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from markupsafe import Markup

from console.render import render

KEPT_PAGES = 64
PAGE = "page"


@dataclass(frozen=True)
class Part:
    """An element that templates/{template}.html fills. Parts with equal contexts look alike."""

    template: str
    context: Mapping[str, Any]


@dataclass(frozen=True)
class View:
    """A page as it is now, which templates/pages/{template}.html lays out. `part("name")` in it is that part."""

    title: str
    template: str
    parts: Mapping[str, Part] = field(default_factory=dict)
    context: Mapping[str, Any] = field(default_factory=dict)
    status: int = 200
    poll_seconds: float = 2.0
    """How long an open page waits before it is read again; 0 for a page that never changes."""


@dataclass(frozen=True)
class Fragment:
    """A rendered part, and the digest by which a browser says that it has it."""

    html: Markup
    digest: str


class Rendered:
    """The parts of one page as they were rendered last, for all who have it open."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[Part, Fragment]] = {}

    def fragments(self, parts: Mapping[str, Part]) -> dict[str, Fragment]:
        """Return the parts' markup, rendered only where a part is not equal to the last of its name."""
        return {name: self._fragment(name, part) for name, part in parts.items()}

    def _fragment(self, name: str, part: Part) -> Fragment:
        before = self._kept.get(name)
        if before is not None and before[0] == part:
            return before[1]
        # The templates escape all names chosen by others.
        html = Markup(render(part.template, **part.context))  # noqa: S704
        made = Fragment(html, hashlib.sha256(html.encode()).hexdigest()[:12])
        self._kept[name] = part, made
        return made


class Pages:
    """What was rendered of the pages that were asked for last, by their addresses. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, Rendered] = OrderedDict()

    def at(self, address: str) -> Rendered:
        """Return what was rendered of the page at an address, path and query."""
        with self._lock:
            found = self._kept.setdefault(address, Rendered())
            self._kept.move_to_end(address)
            while len(self._kept) > KEPT_PAGES:
                self._kept.popitem(last=False)
        return found


def seen_text(page: str, fragments: Mapping[str, Fragment]) -> str:
    """Return what a browser has been sent, for seen_in(): "page=jobs list=5f1c"."""
    return " ".join([f"{PAGE}={page}", *(f"{name}={one.digest}" for name, one in fragments.items())])


def seen_in(text: str) -> dict[str, str]:
    """Return what a browser says that it has: its page's template, and the digest of each part by the part's name."""
    return dict(word.split("=", 1) for word in text.split() if "=" in word)
