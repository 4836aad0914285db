"""Find the console that shows a job, and open it in the browser of a person who has one."""

import os
import sys
import urllib.error
import urllib.request
from http import HTTPStatus
from urllib.parse import urlsplit

from console.addresses import execution_link
from local.errors import HumanError, Unavailable

DEFAULT = "http://127.0.0.1:8084"
TIMEOUT_SECONDS = 3
TITLE = b"Provisioner"
NEEDS_TOKEN = b"The console needs its token"
LONGEST_PAGE = 1_000_000


def address_of(console: str, job_id: str | None) -> str:
    """Return the address of a job in a console, or that of all executions.

    Raise HumanError for what is no address, and Unavailable if no console answers there.
    """
    if urlsplit(console).scheme not in {"http", "https"}:
        raise HumanError(f"{console} is no address of a console: it begins with http://")
    base = console.rstrip("/")
    if not _answers(base):
        raise Unavailable(f"no console answers at {base}: start one with provision console, and leave it running")
    # Without the state machine's name the page finds the job by its own.
    return f"{base}/executions/{execution_link('', job_id).rpartition('/')[2]}" if job_id else f"{base}/"


def show(address: str) -> bool:
    """Open an address in a browser, if a person with a desktop is at the terminal, and return whether that was done."""
    has_desktop = sys.platform == "darwin" or any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))
    if not (has_desktop and sys.stdout.isatty()):
        return False
    import webbrowser

    return webbrowser.open(address)


def _answers(base: str) -> bool:
    # A console is on this machine or in its network: a proxy would not find it.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"{base}/", timeout=TIMEOUT_SECONDS) as answer:
            return TITLE in answer.read(LONGEST_PAGE)
    except urllib.error.HTTPError as error:
        # One that needs its token says so.
        return error.code == HTTPStatus.UNAUTHORIZED and NEEDS_TOKEN in error.read(LONGEST_PAGE)
    except (OSError, ValueError):
        return False
