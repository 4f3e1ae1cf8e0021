"""The page's pure modules, run from Python: in QuickJS, or in Chromium where they need `Intl`.

Both run what is served: the modules as the server joins them. Arguments and results are JSON.

    Modules("state.js").run("(query) => read(query)", "?days=7")
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import quickjs  # type: ignore[import-untyped]

import api.pages
from api.pages.bundle import bundle

if TYPE_CHECKING:
    from playwright.sync_api import Page

DASHBOARD = Path(api.pages.__file__).with_name("dashboard")


class Modules:
    """Modules in QuickJS; the names that they export are in scope of what is run.

    It has no `Intl`, `URLSearchParams` or `document`, so a module that runs here is pure.
    """

    def __init__(self, *entries: str) -> None:
        self._context = quickjs.Context()
        self._context.eval(_script(entries))

    def run(self, function: str, *arguments: Any) -> Any:
        """What a JavaScript function of these arguments returns."""
        result = self._context.eval(_call(function, arguments))
        return None if result is None else json.loads(result)


class BrowserModules:
    """The same in a page of Chromium, which has `Intl`."""

    def __init__(self, page: Page, *entries: str) -> None:
        self._page = page
        page.evaluate(f"() => {{ {_script(entries)} }}")

    def run(self, function: str, *arguments: Any) -> Any:
        """What a JavaScript function of these arguments returns."""
        result = self._page.evaluate(f"() => {_call(function, arguments)}")
        return None if result is None else json.loads(result)


def _script(entries: tuple[str, ...]) -> str:
    """A script that makes `globalThis.modules`, all exports of these modules."""
    scopes = ",".join(f"...(() => {{ {_without_import(one)} }})()" for one in entries)
    return f"{_preact()}\nglobalThis.modules = {{ {scopes} }};"


def _without_import(entry: str) -> str:
    """A module and all that it imports but Preact, as the body of a function of its exports."""
    script = bundle(DASHBOARD, entry)["page.js"]
    joined = re.sub(r"^import .*\n", "", script, flags=re.MULTILINE)
    name = re.findall(r"^const (\$[\w$]+) = \(\(\) => \{", joined, flags=re.MULTILINE)[-1]
    joined = joined.replace("import.meta.url", '"http://localhost/page/digest/page.js"')
    return f"{joined}return {name};"


def _preact() -> str:
    """The vendored file as a script that defines `h`, `render` and `Component`."""
    source = (DASHBOARD / "vendor/preact.js").read_text(encoding="utf-8")
    source, _, rest = source.partition("export{")
    exports = rest.partition("}")[0]
    names = re.sub(r"([$\w]+) as ([$\w]+)", r"\2:\1", exports)
    return f"const {{ h, render, Component }} = (() => {{ {source} return {{{names}}}; }})();"


def _call(function: str, arguments: tuple[Any, ...]) -> str:
    """An expression: the JSON of what the function returns, with all exports in its scope."""
    given = ", ".join(json.dumps(one) for one in arguments)
    body = f"return JSON.stringify(({function})({given}))"
    return f"new Function(...Object.keys(modules), {json.dumps(body)})(...Object.values(modules))"
