"""Rules that no other tool checks: imports, top level, pins, SQL files, docstrings, slow tests."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import pytest

from olap.catalog import metrics
from olap.mapping import read_mapping, shipped_mappings
from olap.tables import DIMENSIONS, FACTS, ROLLUPS, TABLE_NAMES

ROOT = Path(__file__).parents[1]
SQL = ROOT / "sql"

TOP_LEVEL = {
    "pyproject.toml",
    "requirements.lock",
    "Makefile",
    "README.md",
    "CHANGELOG.md",
    ".ci",
    ".deploy",
    "olap",
    "etl",
    "api",
    "sql",
    "tests",
}

# package -> the only places that may import it
HOMES = {
    "olap": ("olap/", "etl/", "api/"),
    "etl": ("etl/",),
    "api": ("api/",),
    "duckdb": ("olap/", "etl/traces.py", "etl/sandbox/"),
    "polars": ("olap/", "etl/sandbox/"),
    "pyarrow": ("olap/", "etl/"),
    "psycopg": ("etl/", "api/events/"),
    "adbc_driver_manager": ("etl/",),
    "adbc_driver_postgresql": ("etl/",),
    "sqlite3": ("olap/kept.py", "api/kept/"),
    "litestar": ("api/",),
    "argcomplete": ("olap/commands.py",),
    "rich_argparse": ("olap/commands.py",),
    "jwt": ("api/auth.py", "api/keys.py"),
    "redis": ("api/", "olap/redis_urls.py", "etl/erase.py"),
}


def modules(*folders: str) -> dict[str, str]:
    """The source of every module below the folders, by path from the root."""
    return {
        str(path.relative_to(ROOT)): path.read_text(encoding="utf-8")
        for folder in folders
        for path in sorted((ROOT / folder).rglob("*.py"))
    }


PRODUCT = modules("olap", "etl", "api")


def imports(path: str, source: str) -> Iterator[str]:
    """The top-level packages that a module imports, anywhere in it and by any statement."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level:
            base = Path(path).parts[: -node.level]
            if base:
                yield base[0]
            else:
                yield from ([node.module] if node.module else [a.name for a in node.names])
        elif isinstance(node, ast.ImportFrom):
            yield (node.module or "").split(".")[0]
        elif (
            isinstance(node, ast.Call)
            and ast.unparse(node.func).split(".")[-1] in ("import_module", "__import__")
            and isinstance(node.args[0], ast.Constant)
        ):
            yield str(node.args[0].value).split(".")[0]


def misplaced(path: str, source: str) -> list[str]:
    """The packages that a module imports but may not."""
    return sorted(
        {
            package
            for package in imports(path, source)
            if package in HOMES and not path.startswith(HOMES[package])
        }
    )


def test_packages_import_only_what_they_may() -> None:
    """Packages and libraries are imported only where the table of this module allows it."""
    assert {
        path: found for path, source in PRODUCT.items() if (found := misplaced(path, source))
    } == {}
    assert len(PRODUCT) > 20


@pytest.mark.parametrize(
    ("path", "source", "expected"),
    [
        ("olap/x.py", "import etl.cycle", ["etl"]),
        ("olap/x.py", "from api import app", ["api"]),
        ("olap/x.py", "def f():\n    from etl.cycle import run_cycle", ["etl"]),
        ("olap/x.py", "from .. import etl", ["etl"]),
        ("olap/x.py", "from ..etl import cycle", ["etl"]),
        ("olap/x.py", "import importlib\nimportlib.import_module('etl.cycle')", ["etl"]),
        ("etl/x.py", "import api", ["api"]),
        ("api/x.py", "import etl", ["etl"]),
        ("etl/cycle.py", "import duckdb, polars as pl", ["duckdb", "polars"]),
        ("api/x.py", "import pyarrow.parquet as pq", ["pyarrow"]),
        ("olap/x.py", "import psycopg", ["psycopg"]),
        ("api/x.py", "import adbc_driver_postgresql.dbapi", ["adbc_driver_postgresql"]),
        ("olap/x.py", "from litestar import get", ["litestar"]),
        ("etl/x.py", "import redis.asyncio", ["redis"]),
        ("olap/x.py", "import duckdb\nfrom olap import days\nfrom . import days", []),
        ("etl/sandbox/x.py", "import duckdb, polars, pyarrow, psycopg, olap, etl", []),
        ("api/x.py", "import litestar, redis, olap\nfrom ..olap import days", []),
    ],
)
def test_the_import_check_sees(path: str, source: str, expected: list[str]) -> None:
    """The check finds exactly the forbidden imports of a sample module."""
    assert misplaced(path, source) == expected


def test_the_top_level_is_the_agreed_list() -> None:
    """The repository's top level is exactly the agreed list, except for dot files."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    found = {name.split("/")[0] for name in listed}
    assert {name for name in found if name in TOP_LEVEL or not name.startswith(".")} == TOP_LEVEL
    assert [name for name in listed if re.match(r"\.(?!(ci|deploy|readme)/)[^/]*/", name)] == []


PINNED = re.compile(r"[a-z0-9][a-z0-9.-]*==[^\s;]+( ;[^:/]+?)?( --hash=sha256:[0-9a-f]{64})+")


def unpinned(lock: str) -> list[str]:
    """The lines of a lock file that are not exactly a pinned requirement with hashes."""
    logical = lock.replace("\\\n", " ").splitlines()
    lines = [" ".join(line.split()) for line in logical if line.strip()]
    return [line[:80] for line in lines if not PINNED.fullmatch(line)]


def test_requirements_are_pinned_with_hashes() -> None:
    """Every line of the lock is `name==version`, an optional marker and hashes, without a URL."""
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    assert unpinned(lock) == []
    assert "://" not in lock
    assert {"duckdb", "hatchling", "pytest"} <= set(re.findall(r"^([\w.-]+)==", lock, re.MULTILINE))


@pytest.mark.parametrize(
    "line",
    [
        f"duckdb>=2.0 --hash=sha256:{'0' * 64}",
        "duckdb==2.0",
        f"duckdb @ https://example.org/duckdb.whl --hash=sha256:{'0' * 64}",
        f"duckdb==2.0 --hash=md5:{'0' * 32}",
        "--index-url https://example.org/simple",
        "-e .",
    ],
)
def test_the_lock_check_sees(line: str) -> None:
    """The check finds a requirement without a pin, without a hash, or with a URL."""
    good = f"tzdata==2026.6 ; sys_platform == 'win32' \\\n    --hash=sha256:{'a' * 64}\n"
    assert unpinned(good) == []
    assert unpinned(good + line + "\n") == [line[:80]]


def sql_files(*patterns: str) -> dict[str, str]:
    """The texts of the matching files of `sql/`, by name without the extension."""
    return {
        str(path.relative_to(SQL).with_suffix("")): path.read_text(encoding="utf-8")
        for pattern in patterns
        for path in sorted(SQL.glob(pattern))
    }


EVERY_SQL = sql_files("**/*.sql")


def code_of(text: str) -> str:
    """An SQL text without comments and string literals."""
    without = re.sub(r"'(?:[^']|'')*'|--[^\n]*|/\*.*?\*/", " ", text, flags=re.DOTALL)
    return without.lower()


def test_every_sql_file_starts_with_a_comment() -> None:
    """The first line of each file is a comment about its purpose."""
    assert [name for name, text in EVERY_SQL.items() if not re.match(r"-- \S", text)] == []
    assert len(EVERY_SQL) > 80


def test_every_result_has_a_grain() -> None:
    """Each file with a visible result or table states its grain."""
    met = sql_files(
        "source/*/*.sql",
        *(
            f"{folder}/*.sql"
            for folder in ("schema", "views", "checks", "report", "metrics", "catalog")
        ),
    )
    without_rows = {"source/messenger/schema", "source/example/schema"}
    lacking = {n for n, text in met.items() if not re.search(r"^-- grain: \S", text, re.MULTILINE)}
    assert lacking == without_rows


def test_sql_is_not_a_template() -> None:
    """No file contains the braces of a templating language."""
    assert [name for name, text in EVERY_SQL.items() if re.search(r"{[{%#]|[}%#]}", text)] == []


def leaks(text: str) -> list[str]:
    """What a source SELECT must not return: text, metadata, all columns."""
    # The forms select all columns of a table's SELECT, which has its own.
    own = "mapped|branches|unversioned"
    allowed = rf"\b(char_)?length\(\s*(\w+\.)?content\s*\)|\bcount\(\s*\*\s*\)|\b({own})\.\*"
    code = re.sub(allowed, " ", code_of(text))
    return re.findall(r"\bcontent\b|\bmetadata\b|(?<=\.)\*|(?<=select )\*", code)


def test_content_stays_home() -> None:
    """No SELECT on the source returns a message's text, an event's metadata, or all columns."""
    writes = ("/schema", "/sink/events")
    found_files = sql_files("source/**/*.sql")
    selects = {name: text for name, text in found_files.items() if not name.endswith(writes)}
    assert {name: found for name, text in selects.items() if (found := leaks(text))} == {}
    assert "char_length(content)" in selects["source/messenger/messages"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("select content from messages", ["content"]),
        ("select length(content), content as c from messages", ["content"]),
        ("select left(m.content, 9) from messages as m", ["content"]),
        ("select metadata -> 'a' from analytics_events", ["metadata"]),
        ('select "content" from messages', ["content"]),
        ("select m.* from messages as m", ["*"]),
        ("-- content\nselect count(*), length(m.content), 'content' from messages as m", []),
    ],
)
def test_the_content_check_sees(text: str, expected: list[str]) -> None:
    """The check finds text and metadata in code, and not in comments, literals or lengths."""
    assert leaks(text) == expected


# The values of the placeholders in the f-strings that name SQL files.
_DIMENSIONS = {dimension.name for dimension in DIMENSIONS}
_FOLDERS = {dimension.folder for dimension in DIMENSIONS}
_KEY_FOLDERS = {dimension.key_folder for dimension in DIMENSIONS}
STANDS_FOR: dict[str, set[str]] = {
    "table": set(TABLE_NAMES),
    "table.name": set(TABLE_NAMES),
    "fact.name": {fact.name for fact in FACTS},
    "planned.table": {fact.name for fact in FACTS},
    "dimension": _DIMENSIONS,
    "dimension.name": _DIMENSIONS,
    "dimension.folder": _FOLDERS,
    "dimension.key_folder": _KEY_FOLDERS,
    "table.key_folder": _KEY_FOLDERS,
    "table.folder": _FOLDERS,
    "rollup.name": {rollup.name for rollup in ROLLUPS},
    "question.metric.macro": {metric.macro for metric in metrics()},
}


def texts(node: ast.expr, known: dict[str, set[str]]) -> set[str]:
    """The possible values of an expression, as far as constants and placeholders determine them."""
    if isinstance(node, ast.Constant):
        return {node.value} if isinstance(node.value, str) else set()
    if isinstance(node, ast.IfExp):
        return texts(node.body, known) | texts(node.orelse, known)
    if isinstance(node, ast.JoinedStr):
        return {"".join(parts) for parts in product(*(texts(v, known) for v in node.values))}
    if isinstance(node, ast.FormattedValue):
        return texts(node.value, known)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
        tail = texts(node.right, known)
        heads = texts(node.left, known) or {""}
        return {f"{head}/{part}".removeprefix("/") for head in heads for part in tail}
    return known.get(ast.unparse(node), set())


def sql_names(source: str) -> set[str]:
    """The SQL files that a module names, or reads as a folder."""
    tree, known = ast.parse(source), dict(STANDS_FOR)
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign):
            target, value = node.targets[0], node.value
            pairs = (
                zip(target.elts, value.elts, strict=True)
                if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple)
                else [(target, value)]
            )
            known |= {ast.unparse(t): found for t, v in pairs if (found := texts(v, known))}
    named: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.expr):
            named |= {t.removeprefix("sql/").removesuffix(".sql") for t in texts(node, known)}
        if isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] == "names":
            named |= {n for t in texts(node.args[0], known) for n in sql_files(f"{t}/*.sql")}
    return named & set(EVERY_SQL)


def test_every_sql_file_is_used() -> None:
    """The product names each file or reads its folder; checks may also be used by tests."""
    used = set().union(*(sql_names(source) for source in PRODUCT.values()))
    words = {
        word for source in modules("etl").values() for word in re.findall(r'"([\w/]+)"', source)
    }
    used |= {name for name in sql_files("source/forms/*.sql") if name.rpartition("/")[2] in words}
    used |= {name for name in sql_files("feed/**/*.sql") if name.removeprefix("feed/") in words}
    used |= {
        f"source/{mapping}/{path.relative_to(read_mapping(mapping).folder).with_suffix('')}"
        for mapping in shipped_mappings()
        for path in read_mapping(mapping).folder.rglob("*.sql")
        if path.stem in {*read_mapping(mapping).tables, "schema"}
    }
    tests = set().union(*(sql_names(source) for source in modules("tests").values()))
    used |= {name for name in tests if name.startswith("checks/")}
    assert set(EVERY_SQL) - used == set()


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("run('ledger/holds_rows')", {"ledger/holds_rows"}),
        ("run(f'facts/keyed/{fact.name}')", {f"facts/keyed/{fact.name}" for fact in FACTS}),
        (
            "a, b = 1, f'dimensions/{dimension.folder}'\nrun(f'{b}/merge')",
            {f"dimensions/{dimension.folder}/merge" for dimension in DIMENSIONS},
        ),
        ("sqlfiles.names('lake')", {"lake/read_through"}),
        ("Path(x).parent / 'sql' / 'source' / 'set_window.sql'", {"source/set_window"}),
        ("run(f'{anything}/{whatever}')", set()),
        ("'lake'", set()),
    ],
)
def test_the_check_of_sql_files_sees(source: str, expected: set[str]) -> None:
    """A sample line of code uses exactly the files that it names, and none by an unknown name."""
    assert sql_names(source) == expected


def test_every_test_states_its_claim() -> None:
    """Each test function has a docstring."""
    without_claim = [
        f"{path}: {node.name}"
        for path, source in modules("tests").items()
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.name.startswith("test_")
        and not (ast.get_docstring(node) or "").strip()
    ]
    assert without_claim == []


# What starts, stops and kills servers and processes, and the bench; their tests are slow.
SLOW = {
    "tests.own_servers": {"OwnPostgres", "ApiProcess"},
    "tests.crash_points": {"Crasher"},
    "etl.sandbox.postgres": {"Cluster", "postgres_server"},
}


def is_slow(source: str) -> bool:
    """Whether a test module imports what makes its tests slow."""
    return any(
        (node.module or "").startswith("tests.bench")
        or {alias.name for alias in node.names} & SLOW.get(node.module or "", set())
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.ImportFrom)
    )


def test_tests_of_servers_crashes_and_the_bench_are_marked() -> None:
    """A test module that stops servers, kills processes or runs the bench has slow tests."""
    found = {path: text for path, text in modules("tests").items() if "/test_" in path}
    slow = {path for path, text in found.items() if is_slow(text)}
    assert {path for path in slow if "mark.slow" not in found[path]} == set()
    assert {"tests/test_crashes.py", "tests/test_bench.py", "tests/test_standby.py"} <= slow
