"""The rules for the addresses and tokens of services."""

import functools
import ipaddress
import re
import socket
from typing import NamedTuple
from urllib.parse import urlsplit

from provisioning.errors import Misconfigured

HOST = re.compile(r"[0-9A-Za-z.:%-]+")
METADATA_IPV6 = ipaddress.IPv6Address("fd00:ec2::254")

TENANT_ID = "{tenant_id}"
"""What stands for the tenant in a public URL."""

PUBLIC_URL = re.compile(
    r"(https?|postgresql)://([A-Za-z0-9._~{}-]+@)?[A-Za-z0-9._{}-]+(:[0-9]{1,5})?(/[A-Za-z0-9._~{}/-]*)?"
)
"""A user before the host, as a pooler may need it, but no password, query or fragment."""

TOKEN = re.compile(r"[\x21-\x7e]{1,4096}")
"""What a header can carry. http.client quotes a value that it refuses, so no other token may reach it."""


class Address(NamedTuple):
    """A service that the settings need not name: its base URL, and its token, a secret; None for the settings' one.

    An operator names it to a laptop stack, which takes http:// too.
    """

    url: str
    token: str | None


@functools.cache
def checked_url(url: str, *, plain_http: bool) -> str:
    """Return the base URL of a service without a slash at its end. Raise Misconfigured unless it can be one."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise Misconfigured("a service URL cannot be read") from None
    if (
        parts.scheme not in ({"https", "http"} if plain_http else {"https"})
        or not HOST.fullmatch(host)
        or port == 0
        or "@" in parts.netloc
        or {"?", "#"} & set(url)
    ):
        raise Misconfigured("a service URL must be https://host/path, without credentials, query or fragment")
    address = _address(host.rstrip("."))
    if address is not None and (
        address.is_link_local or address.is_multicast or address.is_unspecified or address == METADATA_IPV6
    ):
        raise Misconfigured("a service URL must not point to a link-local address")
    return url.rstrip("/")


def checked_public_url(pattern: str, *, plain_http: bool) -> str:
    """Return a pattern of addresses for tenants' clients. Raise Misconfigured unless it can be one.

    It is not fetched, so it may lead anywhere.
    """
    is_url = PUBLIC_URL.fullmatch(pattern) is not None and (plain_http or not pattern.startswith("http:"))
    if not is_url or TENANT_ID not in pattern or {"{", "}"} & set(pattern.replace(TENANT_ID, "")):
        raise Misconfigured(
            f"a public URL must be https:// or postgresql://, with {TENANT_ID}, without a password or query"
        )
    return pattern


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Return the address that a host denotes, in any notation that the operating system accepts, or None."""
    try:
        return ipaddress.IPv4Address(socket.inet_aton(host))
    except OSError:
        pass
    try:
        address = ipaddress.IPv6Address(host)
    except ValueError:
        return None
    return address.ipv4_mapped or address
