"""The addresses of the console's pages, for names of any kind."""

import re
from urllib.parse import quote

ESCAPES = re.compile(r"(~[0-9A-F]{2})+")


def execution_link(machine: str, name: str) -> str:
    """Return the address of an execution's page, whose parts name_in() reads.

    moto, unlike AWS, accepts names such as `../x`, `..` and `#frag`. Percent escapes do not help: servers decode them
    before they look for a slash, and browsers read `%2e%2e` as `..`. So `~` replaces `%`; AWS
    allows `~` in no name. A name that AWS accepts is unchanged if it is ASCII.
    """
    return f"/executions/{_part(machine)}/{_part(name)}"


def page_link(kind: str, name: str) -> str:
    """Return the address of the page of a thing of a kind, whose last part name_in() reads."""
    return f"/{kind}/{_part(name)}"


def name_in(part: str) -> str:
    """Return the name that a part of an address stands for. A part that this console has not written is the name."""
    try:
        return ESCAPES.sub(lambda found: bytes.fromhex(found[0].replace("~", "")).decode(errors="surrogatepass"), part)
    except UnicodeDecodeError:
        return part


def _part(name: str) -> str:
    written = quote(name, safe="!()+=@", errors="surrogatepass").replace("~", "%7E").replace("%", "~")
    return written.replace(".", "~2E") if set(written) <= {"."} else written
