"""Paths whose segments may contain any character, because an id of a messenger may.

Servers decode a path as a whole, so that an encoded slash in an id (`/user/a%2Fb`) would separate
two segments. Here a path is split first and decoded then. Within a segment a slash and a percent
sign remain encoded (`%2F`, `%25`), and everything else is decoded, so each text has one spelling,
and `decoded` leads back to it.
"""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import unquote, unquote_to_bytes

from litestar.types import ASGIApp, Receive, Scope, Send


class Segments:
    """Wraps the whole application: sets the path of each request from the bytes of its URL.

    A proxy that serves the API below `ROOT_PATH` may remove it from the path or not. It is part of
    the path if what follows it begins like a route, so both work, also where a route begins like
    `ROOT_PATH`.
    """

    def __init__(self, app: ASGIApp, *, root_path: str = "", routes: Iterable[str] = ()) -> None:
        """Wrap an application.

        Args:
            root_path: the path below which a proxy serves the API, without a slash at the end.
            routes: the paths of all routes.
        """
        self._app = app
        self._root = root_path
        self._first_segments = frozenset(map(_first_segment, routes))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Set the path, and pass the request on."""
        if b"%" in (raw := scope.get("raw_path") or b""):
            # A test's client puts the query behind the path.
            scope["path"] = path_of(raw.partition(b"?")[0])
        if self._root:
            self._set_root(scope)
        await self._app(scope, receive, send)

    def _set_root(self, scope: Scope) -> None:
        path = scope["path"]
        below = path.removeprefix(self._root) or "/"
        if not (below.startswith("/") and _first_segment(below) in self._first_segments):
            below = path  # the proxy has removed it
        scope["root_path"], scope["path"] = self._root, self._root + below


def _first_segment(path: str) -> str:
    """`health` of `/health/live`."""
    return path.split("/", 2)[1]


def path_of(raw: bytes) -> str:
    """The path of these bytes of a URL, decoded except for slashes and percent signs."""
    return "/".join(_encoded(unquote_to_bytes(part)) for part in raw.split(b"/"))


def decoded(segment: str) -> str:
    """The text that a segment of such a path spells."""
    return unquote(segment)


def _encoded(segment: bytes) -> str:
    return segment.decode(errors="replace").replace("%", "%25").replace("/", "%2F")
