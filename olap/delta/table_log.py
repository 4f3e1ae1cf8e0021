"""The log of one Delta table: its newest version becomes the files of a generation."""

from __future__ import annotations

import json
import re
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec

from olap.errors import DeltaError
from olap.generations import manifests
from olap.layout import Layout, fsync, write_durably
from olap.log import get_logger
from olap.manifest import Manifest
from olap.tables import Dimension, Fact

if TYPE_CHECKING:
    from deltalake import DeltaTable, Schema
    from deltalake.transaction import AddAction, RemoveAction

log = get_logger(__name__)

APPLICATION = "messenger-analytics"
# A reader reads the newest checkpoint and the commits after it.
CHECKPOINT_INTERVAL = 20
# `olap.delta.upkeep` removes what is old: it knows the kept generations.
_CONFIGURATION = {
    "delta.checkpointInterval": str(CHECKPOINT_INTERVAL),
    "delta.enableExpiredLogCleanup": "false",
}
_LOG = "_delta_log"
_ENTRY = re.compile(r"(\d{20})\.(json|crc|checkpoint\..*parquet)")
# Size and rows of a file; None = another program has not told the rows.
Held: TypeAlias = tuple[int, int | None]


def log_directory(layout: Layout, table: str) -> Path:
    """Where the log of a table is."""
    return layout.lake / table / _LOG


def is_in_log(path: Path) -> bool:
    """Whether a file belongs to the log of a Delta table."""
    return path.parent.name == _LOG


def entries_of(directory: Path) -> dict[str, int]:
    """The files of a log that belong to a version, by name, in order of the versions."""
    if not directory.is_dir():
        return {}
    found = (_ENTRY.fullmatch(path.name) for path in directory.iterdir())
    entries = {match[0]: int(match[1]) for match in found if match is not None}
    return dict(sorted(entries.items(), key=lambda entry: (entry[1], entry[0])))


@dataclass(frozen=True, slots=True)
class TableLog:
    """The log of one table.

    Attributes:
        columns: those of the table's files, with their types in Delta.
    """

    layout: Layout
    table: Dimension | Fact
    columns: Mapping[str, str]

    @property
    def directory(self) -> Path:
        return log_directory(self.layout, self.table.name)

    @property
    def root(self) -> Path:
        """The directory that holds the table's files."""
        return self.directory.parent

    @property
    def partition(self) -> list[str]:
        """The column of the UTC day, which is in the paths and not in the files."""
        return ["day"] if isinstance(self.table, Fact) else []

    @property
    def newest_version(self) -> int | None:
        """None without a log."""
        return max(entries_of(self.directory).values(), default=None)

    @property
    def is_intact(self) -> bool:
        """Whether every entry has its bytes, as far as that is known without reading it."""
        return all((self.directory / name).stat().st_size for name in entries_of(self.directory))

    def publish(self, wanted: Mapping[str, Held], generation: Manifest) -> int:
        """Make the newest version these files; return its number.

        Raises:
            OSError: the log cannot be read or written.
            DeltaError: another program writes to the table.
        """
        from deltalake.exceptions import CommitFailedError

        self._remove_drafts()
        opened = self._open()
        if opened is None:
            self._forget_versions()
            self._create(wanted, generation)
            expected = 0
        else:
            try:
                expected = self._change(*opened, wanted, generation)
            except CommitFailedError as error:
                raise self._other_writer(str(error)) from error
        if self.newest_version != expected:
            raise self._other_writer(f"version {self.newest_version} instead of {expected}")
        self._make_durable(expected)
        return expected

    def _other_writer(self, what: str) -> DeltaError:
        return DeltaError(
            f"another program writes to the Delta table {self.root}: {what}",
            hint="Let no other program write to the lake; the next cycle tries again.",
        )

    def _remove_drafts(self) -> None:
        """Remove what a crash left: files that are renamed or linked when they are complete."""
        if self.directory.is_dir():
            for path in list(self.directory.iterdir()):
                if "#" in path.name or path.name.endswith(".tmp"):
                    path.unlink()

    def _open(self) -> tuple[DeltaTable, dict[str, Held]] | None:
        """The table, and size and rows of the files in its newest version; None without a log.

        A log that cannot be read is removed: it holds nothing that the lake does not.
        """
        from deltalake import DeltaTable
        from deltalake.exceptions import DeltaError as LibraryError

        if not entries_of(self.directory):
            return None
        try:
            table = DeltaTable(self.root)
            return table, _files_of(table)
        except LibraryError as error:
            log.warning("delta.damaged", table=self.table.name, reason=str(error))
            shutil.rmtree(self.directory)
            return None

    def _forget_versions(self) -> None:
        """Remove the versions of an earlier log from the manifests of all generations.

        All tables' versions of such a generation go: the others alone would be no cut.
        """
        for known in manifests(self.layout):
            if self.table.name in known.delta:
                path = self.layout.generation_manifest(known.generation)
                forgotten = msgspec.structs.replace(known, delta={})
                write_durably(path, forgotten.to_json(), mode=0o444)

    def _create(self, wanted: Mapping[str, Held], generation: Manifest) -> None:
        from deltalake.transaction import create_table_with_add_actions

        self.root.mkdir(parents=True, exist_ok=True)
        create_table_with_add_actions(
            str(self.root),
            self._schema(),
            [self._add(path, *file) for path, file in wanted.items()],
            partition_by=self.partition,
            name=self.table.name,
            configuration=_CONFIGURATION,
            **_properties(generation),
        )

    def _change(
        self,
        table: DeltaTable,
        held: Mapping[str, Held],
        wanted: Mapping[str, Held],
        generation: Manifest,
    ) -> int:
        from deltalake import DeltaTable
        from deltalake.transaction import RemoveAction

        schema = self._schema()
        if not self._is_like(table, schema):
            # Without files in between: one commit cannot remove a file and add it again.
            table = DeltaTable.create(
                self.root,
                schema,
                mode="overwrite",
                partition_by=self.partition,
                name=self.table.name,
                configuration=_CONFIGURATION,
            )
            held = {}
        version, now_ms = table.version(), time.time_ns() // 1_000_000
        actions: list[AddAction | RemoveAction] = [
            RemoveAction(path, True, now_ms, partition_values=_day_in(path))
            for path in sorted(held.keys() - wanted.keys())
        ]
        actions += [
            self._add(path, *file) for path, file in wanted.items() if held.get(path) != file
        ]
        if actions:
            table.create_write_transaction(
                actions, "append", schema, self.partition, **_properties(generation)
            )
            return version + 1
        return version

    def _is_like(self, table: DeltaTable, schema: Schema) -> bool:
        """Whether a table has this schema, and was made as `_create` makes it."""
        found = table.metadata()
        return (
            table.schema() == schema
            and found.partition_columns == self.partition
            and found.configuration == _CONFIGURATION
        )

    def _schema(self) -> Schema:
        from deltalake import Field, Schema
        from deltalake.schema import PrimitiveType

        columns = {**self.columns, **dict.fromkeys(self.partition, "date")}
        return Schema([Field(name, PrimitiveType(type_)) for name, type_ in columns.items()])

    def _add(self, path: str, size: int, rows: int | None) -> AddAction:
        from deltalake.transaction import AddAction

        modified_ms = (self.root / path).stat().st_mtime_ns // 1_000_000
        stats = json.dumps({"numRecords": rows})
        return AddAction(path, size, _day_in(path), modified_ms, True, stats)

    def _make_durable(self, version: int) -> None:
        """Sync a version to the disk, before anything names it."""
        for name, found in entries_of(self.directory).items():
            if found == version:
                fsync(self.directory / name)
        for path in (self.directory / "_last_checkpoint", self.directory, self.root):
            if path.exists():
                fsync(path)


def _properties(generation: Manifest) -> dict[str, Any]:
    """What every commit carries: for which generation it was made."""
    from deltalake import CommitProperties, Transaction

    return {
        "commit_properties": CommitProperties(
            custom_metadata={"generation": str(generation.generation)},
            app_transactions=[Transaction(APPLICATION, generation.generation)],
        )
    }


def _files_of(table: DeltaTable) -> dict[str, Held]:
    """Size and rows of the files in a version, by path."""
    actions = table.get_add_actions(flatten=True)
    paths, sizes = (actions.column(name).to_pylist() for name in ("path", "size_bytes"))
    # Of files that another program added, they may be unknown.
    has_rows = "num_records" in actions.schema.names
    rows = actions.column("num_records").to_pylist() if has_rows else [None] * len(paths)
    return {path: (size, count) for path, size, count in zip(paths, sizes, rows, strict=True)}


def _day_in(path: str) -> dict[str, str | None]:
    """The partition of a file: the UTC day in its path, or nothing for a dimension."""
    day, separator, _ = path.rpartition("/")
    return {"day": day.removeprefix("day=")} if separator else {}
