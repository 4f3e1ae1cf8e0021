"""Serves the pages' files: read, joined and compressed once, when the application is made.

`GET /` is the page. A browser asks for it each time, and gets 304 while it is unchanged. What the
page loads has a digest of all files in its URL: a browser keeps it for a year, and one page never
mixes the files of two versions.

All are public: they contain no number of the messenger.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from string import Template
from typing import Any

from litestar import Request, Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from api.auth import PUBLIC
from api.compression import codings_of
from api.negotiation import Coding, is_known, read_headers
from api.pages.bundle import bundle
from api.pages.minify import minified
from api.problems import not_found

_HERE = Path(__file__).parent
DASHBOARD = _HERE / "dashboard"
# The order in which the parts of the style sheets apply; the second one is for the second script.
_STYLES = {
    "page.css": ("tokens", "base", "layout", "card", "chart", "list", "print"),
    "later.css": ("drill", "editor"),
}
_PREACT_HEAD = "/*! Preact 11.2.0, MIT License: preact.license.txt */\n"

_ASK_EACH_TIME = "no-cache"
_AN_HOUR = "public, max-age=3600"
_FOR_EVER = "public, max-age=31536000, immutable"
_HTML, _SCRIPT, _STYLE = "text/html", "text/javascript", "text/css"


class File:
    """A file as it is served, in each content coding."""

    def __init__(self, content: str, media_type: str, caching: str) -> None:
        """Compress a file.

        Args:
            caching: the value of `Cache-Control`.
        """
        body = content.encode()
        self._media_type = media_type
        self._caching = caching
        self._bodies = codings_of(body)
        self._digest = _digest(body)

    def answer(self, request: Request[Any, Any, Any]) -> Response[bytes]:
        """The file in the coding that the request prefers, or 304 if the client has it."""
        accepts, known = read_headers(request.scope)
        coding = accepts.coding if accepts.coding in self._bodies else Coding.IDENTITY
        tag = f'"{self._digest}"' if coding is Coding.IDENTITY else f'"{self._digest}-{coding}"'
        headers = {"Cache-Control": self._caching, "ETag": tag}
        if known and is_known(tag.encode(), known):
            return Response(b"", status_code=304, headers=headers)
        if coding is not Coding.IDENTITY:
            headers["Content-Encoding"] = coding
        return Response(self._bodies[coding], media_type=self._media_type, headers=headers)


def handlers(root_path: str) -> list[HTTPRouteHandler]:
    """The handlers of the page and of all files.

    Args:
        root_path: the path below which a proxy serves the API, without a slash at the end.
    """
    docs = _HERE / "docs"
    return [
        *_page_handlers(root_path),
        _handler("/favicon.svg", _file(_HERE / "favicon.svg", "image/svg+xml")),
        _handler("/docs/docs.css", _file(docs / "docs.css", _STYLE)),
        _handler("/docs/docs.js", _file(docs / "docs.js", _SCRIPT)),
    ]


def loaded() -> Mapping[str, tuple[str, str]]:
    """What the page loads: the content and the media type of each file, by its name."""
    vendor = DASHBOARD / "vendor"
    sources = {
        **{name: (script, _SCRIPT) for name, script in bundle(DASHBOARD).items()},
        **{name: (style, _STYLE) for name, style in _styles(DASHBOARD / "css").items()},
    }
    made = {name: (text, sources[name][1]) for name, text in minified(sources).items()}
    return {
        **made,
        "preact.js": (_PREACT_HEAD + _text(vendor / "preact.js"), _SCRIPT),
        "preact.license.txt": (_text(vendor / "preact.license.txt"), "text/plain"),
    }


def digest_of(files: Mapping[str, tuple[str, str]]) -> str:
    """The digest of all files, their names included."""
    whole = "\0".join(f"{name}\0{content}" for name, (content, _) in sorted(files.items()))
    return _digest(whole.encode())


def document(root_path: str, digest: str) -> str:
    """The page itself.

    Below a `root_path` its URLs are absolute: relative ones would not lead there from `/chat`,
    without a slash. Else they are relative, so that a proxy may add a path of which nothing is set.
    """
    template = Template(_text(DASHBOARD / "index.html"))
    return template.substitute(base=f"{root_path}/" if root_path else "", digest=digest)


def _page_handlers(root_path: str) -> list[HTTPRouteHandler]:
    current, files = _loaded_files()
    page = File(document(root_path, current), _HTML, _ASK_EACH_TIME)

    @get("/page/{digest:str}/{name:str}", opt={PUBLIC: True}, include_in_schema=False)
    async def serve_loaded(
        request: Request[Any, Any, Any], digest: FromPath[str], name: FromPath[str]
    ) -> Response[bytes]:
        if digest != current or name not in files:
            raise not_found()
        return files[name].answer(request)

    return [_handler("/", page), serve_loaded]


@cache
def _loaded_files() -> tuple[str, Mapping[str, File]]:
    """What the page loads, and its digest; they do not change while the process runs."""
    files = loaded()
    made = {name: File(content, type_, _FOR_EVER) for name, (content, type_) in files.items()}
    return digest_of(files), made


@cache
def _file(path: Path, media_type: str) -> File:
    """A file whose name stays the same when it changes."""
    return File(_text(path), media_type, _AN_HOUR)


def _handler(path: str, file: File) -> HTTPRouteHandler:
    @get(path, opt={PUBLIC: True}, include_in_schema=False)
    async def serve(request: Request[Any, Any, Any]) -> Response[bytes]:
        return file.answer(request)

    return serve


def _styles(folder: Path) -> dict[str, str]:
    """The style sheets of a folder, joined from their parts."""
    parts = {path.stem: _text(path) for path in folder.glob("*.css")}
    if unknown := parts.keys() - {part for order in _STYLES.values() for part in order}:
        raise ValueError(f"no place is decided for the style sheets {sorted(unknown)}")
    return {
        name: "\n".join(parts[part] for part in order if part in parts)
        for name, order in _STYLES.items()
    }


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:20]
