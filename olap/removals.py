"""Removals: where in the lake are the rows that are gone at the source, or on another day now?

A scan reads rows, and what is gone leaves no row: only counts that do not match. A feed
(`etl.feed`) tells the keys of rows that were updated or deleted. A key that changed and has no
staged row is gone at the source. A staged row that is not new and is not in the file of its day
was on another day before: its event time has changed. In both cases the lake has a row that must
leave its file, and nothing but the files' key columns tells which file that is.

They are read only if there is a key to look for. The files of the days that the rows are staged on
come first, because almost every updated row is there; then the others, latest first. A key is in
one file at most, so the search ends as soon as all are found.

The rows are listed in `staging.removed_<fact>`, and the fold leaves them out of their day files.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date

import duckdb
import pyarrow as pa

from olap.erasures import Erasures
from olap.errors import SourceError
from olap.manifest import LakeFile, Manifest, Places
from olap.tables import PERSON_COLUMNS, Dimension, Fact, Table
from olap.warehouse import Warehouse

# The values of a key's columns as texts, in the order of `Table.key`.
Key = tuple[str, ...]

FILES_AT_FIRST = 32


def stage_changed_keys(
    warehouse: Warehouse,
    table: Dimension | Fact,
    erasures: Erasures,
    *,
    changed: Iterable[Key],
    inserted: Iterable[Key] = (),
    touched: Iterable[str] = (),
) -> None:
    """Stage the keys that a feed told, for a table whose rows are staged.

    Args:
        erasures: the people who have a pseudonym here.
        changed: keys of rows that were updated or deleted; a key with a staged row is not gone.
        inserted: keys of rows that are new: no row here has one of them.
        touched: values of the first column of a fact's key; a row here with such a value and
            without a staged row is gone.

    Raises:
        SourceError: a value is not of the type that its column has here.
    """
    _stage(warehouse, "tables/stage_gone_keys", table, table.key, changed, erasures)
    if isinstance(table, Fact):
        _stage(warehouse, "facts/stage_inserted_keys", table, table.key, inserted, erasures)
        ids = ((id_,) for id_ in touched)
        columns = (table.touched_by,)
        _stage(warehouse, "facts/stage_gone_touched", table, columns, ids, erasures)


def find_removed(
    warehouse: Warehouse, fact: Fact, before: Manifest, *, lost: Places = frozenset()
) -> dict[date, int]:
    """Fill `staging.removed_<fact>` with the rows that leave their day files.

    Args:
        warehouse: with the fact staged, and its keys by `stage_changed_keys`.
        before: the state before the batch.
        lost: places in the lake with unusable files; their days are staged whole.

    Returns:
        How many rows leave the file of each UTC day: `TableExtract.removed`.
    """
    files = {
        file.day: file
        for file in before.files
        if file.table == fact.name and file.day is not None
        if (fact.name, file.day) not in lost
    }
    warehouse.run("facts/start_removed", fact)
    staged_days = {day for (day,) in warehouse.run("facts/seek", fact)}
    for portion in _in_order(files, staged_days):
        if not warehouse.run("facts/has_sought", fact)[0][0]:
            break
        warehouse.run("facts/find_removed", fact, **_bound(warehouse, portion))
    if files and warehouse.run("facts/has_gone_touched", fact)[0][0]:
        warehouse.run("facts/find_gone_touched", fact, **_bound(warehouse, list(files.values())))
    return dict(warehouse.run("facts/removed_days", fact))


def count_gone(warehouse: Warehouse, dimension: Dimension) -> int:
    """How many rows of a dimension are gone: `TableExtract.gone_rows`.

    `staging.gone_<dimension>` then holds their keys.

    Args:
        warehouse: with the dimension staged, and its keys by `stage_changed_keys`.
    """
    rows: int = warehouse.run(f"dimensions/{dimension.key_folder}/find_gone", dimension)[0][0]
    return rows


def count_missing(warehouse: Warehouse, dimension: Dimension) -> int:
    """The same as `count_gone`, where nobody told what changed.

    Args:
        warehouse: with the keys of all the source's rows in `staging.keys_of_<dimension>`.
    """
    rows: int = warehouse.run(f"dimensions/{dimension.key_folder}/find_missing", dimension)[0][0]
    return rows


def _in_order(files: Mapping[date, LakeFile], first: set[date]) -> Iterator[Sequence[LakeFile]]:
    """The files in the order in which they are searched, in portions that become larger."""
    if own := [file for day, file in files.items() if day in first]:
        yield own
    others = [files[day] for day in sorted(files.keys() - first, reverse=True)]
    begin, number = 0, FILES_AT_FIRST
    while begin < len(others):
        yield others[begin : begin + number]
        begin, number = begin + number, number * 2


def _bound(warehouse: Warehouse, files: Sequence[LakeFile]) -> dict[str, list[object]]:
    lake = warehouse.layout.lake
    return {"files": [lake / file.path for file in files], "days": [file.day for file in files]}


def _stage(
    warehouse: Warehouse,
    name: str,
    table: Table,
    columns: Sequence[str],
    keys: Iterable[Key],
    erasures: Erasures,
) -> None:
    """Stage keys; a person who was erased is here under a pseudonym only."""
    by_column = list(zip(*keys, strict=True)) or [() for _ in columns]
    texts = {
        column: erasures.mask_texts(values) if column in PERSON_COLUMNS else values
        for column, values in zip(columns, by_column, strict=True)
    }
    staged = pa.table({c: pa.array(v, pa.string()) for c, v in texts.items()})
    try:
        warehouse.stage(name, staged, table)
    except duckdb.ConversionException as error:
        raise SourceError(
            f"the source tells keys of {table.name} that are none here: {error}",
            hint="The mapping's `key` must name the columns that its SELECT returns unchanged as "
            f"{', '.join(table.key)}; without `key` the table is scanned.",
        ) from error
