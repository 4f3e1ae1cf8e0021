"""The page that shows the OpenAPI document, without internet access and readable without scripts.

Style and script are files, because the policy of the API (`api.headers`) allows none in a page.

It replaces Litestar's own render plugins, because the maintained packages that carry the scripts of
Swagger UI, Scalar or Redoc each depend on another web framework.
"""

from __future__ import annotations

from functools import cache
from html import escape
from pathlib import Path
from string import Template
from typing import Any

from litestar import Request
from litestar.openapi.plugins import OpenAPIRenderPlugin

_TEMPLATE = Path(__file__).parent / "docs" / "docs.html"


class DocsPlugin(OpenAPIRenderPlugin):
    """Renders the OpenAPI document as one page."""

    def __init__(self) -> None:
        super().__init__(path="/", favicon="", style="")

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:
        """The page."""
        root = request.scope.get("root_path", "").rstrip("/")
        operations = [
            _operation(path, method, operation)
            for path, methods in sorted(openapi_schema["paths"].items())
            for method, operation in methods.items()
        ]
        return (
            _template()
            .substitute(
                title=escape(openapi_schema["info"]["title"]),
                root=escape(root),
                about=_paragraphs(openapi_schema["info"]["description"]),
                operations="\n".join(operations),
            )
            .encode()
        )


@cache
def _template() -> Template:
    return Template(_TEMPLATE.read_text(encoding="utf-8"))


def _operation(path: str, method: str, operation: dict[str, Any]) -> str:
    fields = "".join(_field(one) for one in operation.get("parameters", ()))
    answers = "".join(
        f"<li><b>{escape(status)}</b> {escape(answer.get('description', ''))}</li>"
        for status, answer in sorted(operation["responses"].items())
    )
    form = (
        f'<form data-path="{escape(path)}">{fields}<button>Send</button><pre hidden></pre></form>'
        if method == "get"
        else ""
    )
    return (
        f"<details><summary><b>{method.upper()}</b> <code>{escape(path)}</code> "
        f"{escape(operation.get('summary', ''))}</summary>"
        f"{_paragraphs(operation.get('description') or '')}{form}<ul>{answers}</ul></details>"
    )


def _field(parameter: dict[str, Any]) -> str:
    name, place = escape(parameter["name"]), escape(parameter["in"])
    return (
        f'<label><code>{name}</code><input name="{name}" data-in="{place}" autocomplete="off">'
        f"<span>{escape(parameter.get('description', ''))}</span></label>"
    )


def _paragraphs(text: str) -> str:
    """Text with blank lines, `code` and **bold** as HTML."""
    html = []
    for paragraph in text.strip().split("\n\n"):
        parts = escape(paragraph).split("`")
        coded = "".join(f"<code>{p}</code>" if i % 2 else p for i, p in enumerate(parts))
        bold = coded.split("**")
        html.append("".join(f"<b>{p}</b>" if i % 2 else p for i, p in enumerate(bold)))
    return "".join(f"<p>{paragraph}</p>" for paragraph in html if paragraph)
