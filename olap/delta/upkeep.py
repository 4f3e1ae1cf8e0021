"""What becomes of the logs of Delta tables: old entries go, and an erasure searches them."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from olap.delta.table_log import entries_of, log_directory
from olap.layout import Layout
from olap.manifest import Manifest
from olap.tables import TABLES

# Actions and fields about the table and the log, and numbers of bytes and milliseconds.
_ABOUT_THE_LOG = frozenset(
    {
        *("metaData", "protocol", "txn", "checkpointMetadata", "checkpointSchema"),
        *("clientVersion", "engineInfo", "operation", "operationParameters", "generation"),
        *("deletionTimestamp", "modificationTime", "timestamp", "version"),
        *("numOfAddFiles", "size", "sizeInBytes"),
    }
)
# Days, paths and statistics as `olap.delta.table_log` writes them.
_OUR_FORM = re.compile(
    r"""(day=)?\d{4}-\d\d-\d\d(/\d{6,}\.parquet)? | \d{6,}\.parquet | \{"numRecords":\ ?\d+\}""",
    re.VERBOSE,
)


def trim_log(layout: Layout, kept: Iterable[Manifest]) -> int:
    """Remove the entries of all logs that no kept generation needs; return bytes freed.

    The versions that kept generations name stay readable: a log begins with the last checkpoint
    that is not younger than the oldest of them. No data file is removed.
    """
    freed = 0
    named = [manifest.delta for manifest in kept]
    for table in TABLES:
        versions = [versions[table.name] for versions in named if table.name in versions]
        if not versions:
            continue
        directory = log_directory(layout, table.name)
        entries = entries_of(directory)
        checkpoints = {version for name, version in entries.items() if ".checkpoint." in name}
        first = max((found for found in checkpoints if found <= min(versions)), default=0)
        for name, version in entries.items():
            if version < first:
                freed += (directory / name).stat().st_size
                (directory / name).unlink()
    return freed


def remove_logs(layout: Layout) -> None:
    """Remove the logs of all tables, for a publication that makes them again."""
    for table in TABLES:
        shutil.rmtree(log_directory(layout, table.name), ignore_errors=True)


def values_in(path: Path) -> list[str] | None:
    """Every value in a file of a log that could tell something of a row, as text.

    That is: all but what a `TableLog` writes in forms of its own, which have numbers that could
    look like an id, and what the library tells about itself. None = it cannot be read as one.
    """
    try:
        if path.suffix == ".parquet":
            entries: list[Any] = pq.read_table(path).to_pylist()
        else:
            entries = [msgspec.json.decode(line) for line in path.read_bytes().splitlines()]
    except (OSError, pa.ArrowException, msgspec.DecodeError):
        return None
    return list(_values(entries))


def _values(found: object) -> Iterator[str]:
    if isinstance(found, dict):
        for name, value in found.items():
            if name not in _ABOUT_THE_LOG:
                yield from _values(value)
    elif isinstance(found, list | tuple):
        for value in found:
            yield from _values(value)
    elif found is not None and not _OUR_FORM.fullmatch(text := str(found)):
        yield text
