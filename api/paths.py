"""Paths whose segments may contain any character, because an id of a messenger may.

Servers decode a path as a whole, so that an encoded slash in an id (`/user/a%2Fb`) would separate
two segments. Here a path is split first and decoded then. Within a segment a slash and a percent
sign remain encoded (`%2F`, `%25`), and everything else is decoded, so each text has one spelling,
and `decoded` leads back to it.
"""

from __future__ import annotations

from urllib.parse import unquote, unquote_to_bytes

from litestar.enums import ScopeType
from litestar.types import ASGIApp, Receive, Scope, Send


class Segments:
    """Wraps the whole application: sets the path of each request from the bytes of its URL."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Set the path, and pass the request on."""
        if scope["type"] == ScopeType.HTTP and b"%" in (raw := scope.get("raw_path") or b""):
            # A test's client puts the query behind the path.
            scope["path"] = path_of(raw.partition(b"?")[0])
        await self._app(scope, receive, send)


def path_of(raw: bytes) -> str:
    """The path of these bytes of a URL, decoded except for slashes and percent signs."""
    return "/".join(_encoded(unquote_to_bytes(part)) for part in raw.split(b"/"))


def decoded(segment: str) -> str:
    """The text that a segment of such a path spells."""
    return unquote(segment)


def _encoded(segment: bytes) -> str:
    return segment.decode(errors="replace").replace("%", "%25").replace("/", "%2F")
