"""The entries of "Connect your tool" in olap/README.md, and what is installed for each."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

README = Path(__file__).parents[2] / "olap" / "README.md"

# What an entry does not name is as `installed.PACKAGES_UNTIL` has it.
PINS: dict[str, tuple[str, ...]] = {
    "shell": ("duckdb-cli==1.5.6",),
    "excel": ("duckdb-cli==1.5.6",),
    "python": ("duckdb==2.0.1", "polars==2.1.0", "pandas==3.1.1", "pyarrow"),
    "adbc": ("adbc-driver-manager==1.13.0", "duckdb==2.0.1", "pyarrow"),
    "sqlalchemy": ("duckdb-engine==0.17.0", "sqlalchemy==2.0.54", "duckdb==2.0.1"),
    # Its wheel does not name all that it imports, nor that it needs an older Flask-Caching.
    "superset": (
        "apache-superset==6.1.0", "duckdb-engine==0.17.0", "duckdb==2.0.1",
        "cachetools", "flask-caching==2.3.1", "rich",
    ),
    # Later ones of dbt-core are built from what they download from elsewhere.
    "dbt": ("dbt-core==1.11.16", "dbt-duckdb==1.11.1", "duckdb==2.0.1"),
    "sqlmesh": ("sqlmesh==0.236.4", "duckdb==1.5.6"),
    "ibis": ("ibis-framework[duckdb]==12.0.0", "duckdb==1.5.6"),
    "jupyter": (
        "jupysql==0.11.1", "duckdb-engine==0.17.0", "duckdb==2.0.1", "ipykernel", "nbclient",
        "pandas",
    ),
    "harlequin": ("harlequin==2.17.0", "duckdb==2.0.1"),
    "marimo": ("marimo[sql]==0.25.2", "duckdb==2.0.1"),
    "streamlit": ("streamlit==1.67.0", "duckdb==2.0.1"),
    "node": ("@duckdb/node-api@1.5.6-r.1",),
    "browser": ("@duckdb/duckdb-wasm@1.32.0",),
}  # fmt: skip

_ENTRY = re.compile(r"<!-- client: (\w+) -->\n(.*?)<!-- /client -->", re.DOTALL)
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_FILE = re.compile(r"(?:#|--) (\S+)\n")


@dataclass(frozen=True, slots=True)
class Entry:
    """How one tool connects.

    Attributes:
        versions: what the entry says was tried, as pins (`name==version`, Node's `name@version`).
        blocks: the code that it shows, in order.
    """

    name: str
    versions: frozenset[str]
    blocks: tuple[str, ...]

    @property
    def pins(self) -> tuple[str, ...]:
        """What is installed for it."""
        return PINS[self.name]

    @property
    def files(self) -> dict[str, str]:
        """The blocks that are files: each by the path that its first line names."""
        named = ((_FILE.match(block), block) for block in self.blocks)
        return {found[1]: block for found, block in named if found}


def entries() -> dict[str, Entry]:
    """The chapter's entries by name."""
    text = README.read_text(encoding="utf-8")
    return {name: _entry(name, body) for name, body in _ENTRY.findall(text)}


def _entry(name: str, body: str) -> Entry:
    blocks = tuple(code for _, code in _BLOCK.findall(body))
    _, _, tried = _BLOCK.sub("", body).partition(" · ")
    sign = "@" if name in ("node", "browser") else "=="
    found = re.findall(r"(@?[\w/-]+) (\d+\.[\w.-]*\w)", re.split(r"\. | \(", tried)[0])
    return Entry(name, frozenset(f"{one}{sign}{version}" for one, version in found), blocks)
