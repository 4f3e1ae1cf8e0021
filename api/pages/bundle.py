"""Joins the ES modules of a page into scripts, in the order of their imports.

Each module becomes a closure that returns its exports, and an import of it takes them from there:

    const $format = (() => {
    const { DEFAULTS } = $state;
    function number(value) { ... }
    return { number };
    })();

An import of a file in `vendor/` stays an import, of the file beside the script.

What a first view does not need is loaded at run time, by `import("./later.js")`. This is a script
of its own, which has that module and what only it needs; all else it imports from the first script.

The sources need no build step: they also run as they are. They are written in few forms, as Biome
formats them: statements of a module begin in the first column, so that no parser of JavaScript is
needed. Any other form is an error that names its line.
"""

from __future__ import annotations

import posixpath
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

VENDOR = "vendor/"

_NAMES = r"\{ ([\w$]+(?:, [\w$]+)*),? \}"
_BEGIN = re.compile(r"import \{|export \{")
_IMPORT = re.compile(rf'import {_NAMES} from "(\.{{1,2}}/[a-z0-9_./]+\.js)";')
_IMPORT_AT_RUN_TIME = re.compile(r'(?<![\w$.])import\("(\.{1,2}/[a-z0-9_./]+\.js)"\)')
_EXPORT_LIST = re.compile(rf"export {_NAMES};")
_EXPORT = re.compile(r"export (?=(?:async )?(?:function\*?|class|const) ([\w$]+)\b)")
_COMMENT = re.compile(r"/\*.*?\*/")

# What is not understood, and what is written in its place; `^` is the first column.
_FAULTS = {
    re.compile(r"^import\b(?![.(])"): 'an import is `import { name } from "./module.js";`',
    re.compile(r"^export\b"): "an export is a const, a function, a class, or `export { name };`",
    re.compile(r"(?<![\w$.])import\((?!\")"): "the path of a module is a text",
    re.compile(r"^(?:for )?await\b|^(?:const|let) [^=]*= await\b"): "a module does not wait",
}


class BundleError(Exception):
    """A module has a form that is not understood, or imports what is not there."""

    def __init__(self, path: str, line: int, fault: str) -> None:
        super().__init__(f"{path}:{line}: {fault}")


@dataclass(frozen=True, slots=True)
class _Import:
    """The names that a module takes from the one at `path`, and the line where it does."""

    path: str
    names: tuple[str, ...]
    line: int

    @property
    def is_outside(self) -> bool:
        return self.path.startswith(VENDOR)


@dataclass(frozen=True, slots=True)
class _Module:
    """A module: what it imports and exports, and its code without these statements.

    Attributes:
        later: what it imports at run time.
    """

    path: str
    imports: tuple[_Import, ...]
    later: tuple[_Import, ...]
    exports: tuple[str, ...]
    code: str


def bundle(folder: Path, entry: str = "main.js", name: str = "page.js") -> dict[str, str]:
    """The scripts of the module `entry` by their names: `name`, and those that it loads later.

    Args:
        folder: of the modules; paths in errors are relative to it.

    Raises:
        BundleError: a module cannot be joined.
    """
    now, later = _parts(folder, entry)
    paths = {module.path for module in now}
    shared: set[str] = set()
    made = {}
    for modules in later:
        used = {_variable(i.path) for one in modules for i in one.imports if i.path in paths}
        shared |= used
        last = modules[-1]
        made[posixpath.basename(last.path)] = (
            (f'import {{ {", ".join(sorted(used))} }} from "./{name}";\n' if used else "")
            + _joined(modules)
            + f"export const {{ {', '.join(last.exports)} }} = {_variable(last.path)};\n"
        )
    given = f"export {{ {', '.join(sorted(shared))} }};\n" if shared else ""
    return {name: _joined(now) + given, **made}


def modules_of(folder: Path, entry: str = "main.js") -> list[str]:
    """The paths of all modules that `entry` needs, at once or later, itself included.

    Raises:
        BundleError: a module cannot be joined.
    """
    now, later = _parts(folder, entry)
    return [module.path for modules in (now, *later) for module in modules]


def _parts(folder: Path, entry: str) -> tuple[list[_Module], list[list[_Module]]]:
    """The modules of the first script and of each later one, in the order of their imports.

    What two later ones need is in the first, so that each module is there once.
    """
    first = _in_order(folder, entry)
    wanted = {one.path: (module.path, one.line) for module in first for one in module.later}
    needs = {path: _in_order(folder, path) for path in wanted}
    counts = Counter(module.path for modules in needs.values() for module in modules)
    at_once = {module.path for module in first} | {path for path, n in counts.items() if n > 1}
    for path, (importer, line) in wanted.items():
        if path in at_once:
            raise BundleError(importer, line, f"{path} is needed at once, or by another script")
        for module in needs[path]:
            for one in module.later:
                raise BundleError(module.path, one.line, "what is loaded later loads nothing")
    every = {module.path: module for modules in (*needs.values(), first) for module in modules}
    now = [module for path, module in every.items() if path in at_once]
    return now, [[one for one in modules if one.path not in at_once] for modules in needs.values()]


def _in_order(folder: Path, entry: str) -> list[_Module]:
    done: dict[str, _Module] = {}

    def visit(path: str, importers: tuple[str, ...]) -> None:
        module = _parse(path, (folder / path).read_text(encoding="utf-8"))
        way = (*importers, path)
        for one in (*module.imports, *module.later):
            if not (folder / one.path).is_file():
                raise BundleError(path, one.line, f"there is no {one.path}")
        for one in module.imports:
            if one.path in way:
                circle = " → ".join((*way[way.index(one.path) :], one.path))
                raise BundleError(path, one.line, f"the modules import each other: {circle}")
            if one.is_outside:
                continue
            if one.path not in done:
                visit(one.path, way)
            if missing := set(one.names).difference(done[one.path].exports):
                fault = f"{one.path} exports no {', '.join(sorted(missing))}"
                raise BundleError(path, one.line, fault)
        done[path] = module

    visit(entry, ())
    return list(done.values())


def _parse(path: str, text: str) -> _Module:
    imports: list[_Import] = []
    later: list[_Import] = []
    exports: list[str] = []
    code: list[str] = []

    def target(found: re.Match[str], group: int) -> str:
        return posixpath.normpath(posixpath.join(posixpath.dirname(path), found[group]))

    lines = _code_lines(text)
    for number, line in lines:
        statement = line
        if _BEGIN.match(line):  # with many names it takes several lines
            while not statement.endswith(";") and (following := next(lines, None)):
                statement = f"{statement} {following[1].strip()}"
        if found := _IMPORT.fullmatch(statement):
            imports.append(_Import(target(found, 2), tuple(found[1].split(", ")), number))
            continue
        if found := _EXPORT_LIST.fullmatch(statement):
            exports += found[1].split(", ")
            continue
        if found := _EXPORT.match(statement):
            exports.append(found[1])
            statement = statement[found.end() :]
        for pattern, instead in _FAULTS.items():
            if pattern.search(statement):
                raise BundleError(path, number, instead)
        for found in _IMPORT_AT_RUN_TIME.finditer(_COMMENT.sub("", statement)):
            later.append(_Import(target(found, 1), (), number))
        code.append(_IMPORT_AT_RUN_TIME.sub(_beside, statement) + "\n")
    return _Module(path, tuple(imports), tuple(later), tuple(exports), "".join(code))


def _code_lines(text: str) -> Iterator[tuple[int, str]]:
    """The lines that are not empty, with their numbers, without the comments that begin a line."""
    is_comment = False
    for number, line in enumerate(text.splitlines(), 1):
        code = line.rstrip()
        while is_comment or code.lstrip().startswith("/*"):
            _, end, code = code.partition("*/")
            is_comment = not end
            if is_comment:
                break
        if not is_comment and code.strip() and not code.lstrip().startswith("//"):
            yield number, code


def _beside(found: re.Match[str]) -> str:
    """The import of a script that is beside this one."""
    return f'import("./{posixpath.basename(found[1])}")'


def _joined(modules: Sequence[_Module]) -> str:
    """The imports of what is in `vendor/`, and the closures of modules."""
    outside: dict[str, set[str]] = {}
    for module in modules:
        for one in module.imports:
            if one.is_outside:
                outside.setdefault(posixpath.basename(one.path), set()).update(one.names)
    head = (
        f'import {{ {", ".join(sorted(names))} }} from "./{name}";\n'
        for name, names in sorted(outside.items())
    )
    return "".join((*head, *map(_closure, modules)))


def _closure(module: _Module) -> str:
    taken = "".join(
        f"const {{ {', '.join(one.names)} }} = {_variable(one.path)};\n"
        for one in module.imports
        if not one.is_outside
    )
    given = f"return {{ {', '.join(module.exports)} }};\n" if module.exports else ""
    return f"const {_variable(module.path)} = (() => {{\n{taken}{module.code}{given}}})();\n"


def _variable(path: str) -> str:
    """The name of a module's exports in the script: `$charts$axis` of `charts/axis.js`."""
    return "$" + path.removesuffix(".js").replace("/", "$")
