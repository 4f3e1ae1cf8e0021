"""The modules of the page as one script: what is joined, and what is refused."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from api.pages.bundle import BundleError, bundle, modules_of
from api.pages.serving import DASHBOARD

quickjs = pytest.importorskip("quickjs", reason="quickjs-ng has no wheel for this machine")


def write(folder: Path, files: dict[str, str]) -> Path:
    """Write modules below a folder."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


def test_modules_are_joined_in_the_order_of_their_imports(tmp_path: Path) -> None:
    """Each module is run once, after those it imports, and sees their exports and nothing else of
    them; what a module declares for itself does not meet what others call the same."""
    write(
        tmp_path,
        {
            "main.js": 'import { double } from "./lib/a.js";\n'
            'import { NAME, Box } from "./lib/b.js";\n'
            "const own = 5;\n"
            "globalThis.found = [double(own), NAME, new Box().value, globalThis.runs];\n",
            "lib/a.js": 'import { NAME } from "./b.js";\nconst own = 2;\n'
            "export function double(value) {\n  return `${NAME}${value * own}`;\n}\n",
            "lib/b.js": "globalThis.runs = (globalThis.runs ?? 0) + 1;\n"
            "const own = 'b';\nexport const NAME = own;\n"
            "class Box {\n  value = own;\n}\nexport { Box };\n",
        },
    )
    assert modules_of(tmp_path) == ["lib/b.js", "lib/a.js", "main.js"]
    context = quickjs.Context()
    context.eval(bundle(tmp_path)["page.js"])
    assert context.eval("JSON.stringify(found)") == '["b10","b","b",1]'


def test_a_vendored_file_stays_an_import(tmp_path: Path) -> None:
    """What is in `vendor/` is imported from beside the script: once, with the names of all."""
    write(
        tmp_path,
        {
            "main.js": 'import { h, render } from "./vendor/preact.js";\n'
            'import { b } from "./lib/b.js";\nrender(h(b));\n',
            "lib/b.js": 'import { Component, h } from "../vendor/preact.js";\n'
            "export const b = [h, Component];\n",
            "vendor/preact.js": "export {};",
        },
    )
    assert bundle(tmp_path)["page.js"] == (
        'import { Component, h, render } from "./preact.js";\n'
        "const $lib$b = (() => {\nconst b = [h, Component];\nreturn { b };\n})();\n"
        "const $main = (() => {\nconst { b } = $lib$b;\nrender(h(b));\n})();\n"
    )


def test_statements_of_several_lines_are_joined(tmp_path: Path) -> None:
    """Biome breaks a long list of names, of an import or an export, into lines."""
    write(
        tmp_path,
        {
            "main.js": 'import {\n  first,\n  second,\n} from "./b.js";\nf(first, second);\n',
            "b.js": "async function first() {}\nconst second = 1;\n"
            "export {\n  first,\n  second,\n};\n",
        },
    )
    script = bundle(tmp_path)["page.js"]
    assert "return { first, second };" in script and "const { first, second } = $b;" in script


def test_what_is_needed_later_is_a_second_script(tmp_path: Path) -> None:
    """It has the module that is imported at run time and what only that needs; the rest comes from
    the first script, which has not lost what it needs itself."""
    write(
        tmp_path,
        {
            "main.js": 'import { shared } from "./shared.js";\n'
            'import { load } from "./lib/load.js";\nrun(shared, load);\n',
            "lib/load.js": 'export const load = () => import("../later.js");\n',
            "shared.js": "export const shared = 1;\n",
            "later.js": 'import { h } from "./vendor/preact.js";\n'
            'import { own } from "./own.js";\nimport { shared } from "./shared.js";\n'
            "export const panel = () => h(own, shared);\nexport class Editor {}\n",
            "own.js": "export const own = 2;\n",
            "vendor/preact.js": "export {};",
        },
    )
    assert set(modules_of(tmp_path)) == {
        "main.js", "lib/load.js", "shared.js", "later.js", "own.js",
    }  # fmt: skip
    assert bundle(tmp_path) == {
        "page.js": (
            "const $shared = (() => {\nconst shared = 1;\nreturn { shared };\n})();\n"
            'const $lib$load = (() => {\nconst load = () => import("./later.js");\n'
            "return { load };\n})();\n"
            "const $main = (() => {\nconst { shared } = $shared;\nconst { load } = $lib$load;\n"
            "run(shared, load);\n})();\nexport { $shared };\n"
        ),
        "later.js": (
            'import { $shared } from "./page.js";\nimport { h } from "./preact.js";\n'
            "const $own = (() => {\nconst own = 2;\nreturn { own };\n})();\n"
            "const $later = (() => {\nconst { own } = $own;\nconst { shared } = $shared;\n"
            "const panel = () => h(own, shared);\nclass Editor {}\n"
            "return { panel, Editor };\n})();\n"
            "export const { panel, Editor } = $later;\n"
        ),
    }


def test_each_module_is_there_once(tmp_path: Path) -> None:
    """Of several later scripts each has what only it needs; what two need is in the first one,
    after what that needs itself. A module may be loaded in more than one place."""
    write(
        tmp_path,
        {
            "main.js": 'run(() => import("./b.js"), () => import("./c.js"), import("./b.js"));\n',
            "b.js": 'import { d } from "./d.js";\nexport const b = d;\n',
            "c.js": 'import { d } from "./d.js";\nimport { e } from "./e.js";\n'
            "export const c = [d, e];\n",
            "d.js": 'import { f } from "./f.js";\nexport const d = f;\n',
            "e.js": "export const e = 1;\n",
            "f.js": "export const f = 1;\n",
        },
    )
    scripts = bundle(tmp_path)
    modules = {
        name: re.findall(r"^const (\$\w+) = \(", text, re.MULTILINE)
        for name, text in scripts.items()
    }
    assert modules == {
        "page.js": ["$f", "$d", "$main"], "b.js": ["$b"], "c.js": ["$e", "$c"],
    }  # fmt: skip
    assert scripts["page.js"].endswith("export { $d };\n")


def test_what_is_loaded_later_loads_nothing(tmp_path: Path) -> None:
    """The error names the file and the line."""
    files = {
        "main.js": 'f(import("./b.js"));\n',
        "b.js": '\nf(import("./c.js"));\n',
        "c.js": "f();\n",
    }
    with pytest.raises(BundleError, match=r"^b\.js:2: what is loaded later"):
        bundle(write(tmp_path, files))


def test_comments_are_not_read(tmp_path: Path) -> None:
    """What a comment imports is no import, whether the comment has its own lines or not."""
    write(
        tmp_path,
        {
            "main.js": '/**\n * @type {typeof import("./b.js")}\n */\n'
            '// import { b } from "./b.js";\n'
            'const a = /** @type {import("./b.js").B} */ (c);\n',
        },
    )
    assert modules_of(tmp_path) == ["main.js"]


REFUSED = {
    "a default export": ("export default 1;", "an export is a const"),
    "a default import": ('import x from "./b.js";', "an import is"),
    "an import for its effects": ('import "./b.js";', "an import is"),
    "all of a module": ('import * as b from "./b.js";', "an import is"),
    "another name of an import": ('import { b as c } from "./b.js";', "an import is"),
    "another name of an export": ("const x = 1;\nexport { x as y };", "an export is a const"),
    "an export that changes": ("export let x = 1;", "an export is a const"),
    "an export of others": ('export { b } from "./b.js";', "an export is a const"),
    "parts as exports": ("export const { x, y } = z;", "an export is a const"),
    "a package": ('import { h } from "preact";', "an import is"),
    "another server": ('import { h } from "https://b.example/b.js";', "an import is"),
    "an import of any path": ("const b = (path) => import(path);", "path of a module is a text"),
    "a module at once and later": (
        'import { b } from "./b.js";\nf(b, import("./b.js"));',
        "b.js is needed at once",
    ),
    "a missing file at run time": ('f(import("./c.js"));', "there is no c.js"),
    "waiting": ("await ready();", "does not wait"),
    "waiting for a value": ("export const x = await ready();", "does not wait"),
    "waiting in a loop": ("for await (const x of y) f(x);", "does not wait"),
    "an unfinished import": ("import { b", "an import is"),
    "a missing file": ('import { b } from "./c.js";', "there is no c.js"),
    "a missing export": ('import { b, c } from "./b.js";', "b.js exports no c"),
    "itself": ('import { b } from "./main.js";', "import each other: main.js → main.js"),
}


@pytest.mark.parametrize(("text", "fault"), REFUSED.values(), ids=list(REFUSED))
def test_what_is_not_understood_is_refused(tmp_path: Path, text: str, fault: str) -> None:
    """The error names the file, the line, and what to write instead."""
    write(tmp_path, {"main.js": f"// comment\n\n{text}\n", "b.js": "export const b = 1;\n"})
    with pytest.raises(BundleError, match=fault) as refused:
        bundle(tmp_path)
    assert str(refused.value).startswith(f"main.js:{3 + text.count(chr(10))}: ")


def test_modules_that_import_each_other_are_refused(tmp_path: Path) -> None:
    """The error names the whole circle, and the line that closes it."""
    write(
        tmp_path,
        {
            "main.js": 'import { a } from "./lib/a.js";\n',
            "lib/a.js": 'import { b } from "./b.js";\nexport const a = b;\n',
            "lib/b.js": '\nimport { a } from "../lib/a.js";\nexport const b = a;\n',
        },
    )
    with pytest.raises(BundleError, match=r"^lib/b\.js:2: .*: lib/a\.js → lib/b\.js → lib/a\.js$"):
        bundle(tmp_path)


def test_what_is_understood_within_code_is_not_refused(tmp_path: Path) -> None:
    """`import.meta`, names that begin like a statement, and `await` within a function are code."""
    text = (
        "const url = import.meta.url;\nimportant(url);\nexports(url);\nawaited(`a${`b`}`);\n"
        "const f = async () => await g();\nasync function g() {\n  await f();\n}\n"
    )
    write(tmp_path, {"main.js": text})
    assert "important(url);" in bundle(tmp_path)["page.js"]


def test_every_module_of_the_page_is_in_the_script() -> None:
    """No module is forgotten: each is imported by another one, down from main.js."""
    there = {
        path.relative_to(DASHBOARD).as_posix()
        for path in DASHBOARD.rglob("*.js")
        if path.parent.name != "vendor"
    }
    assert set(modules_of(DASHBOARD)) == there
