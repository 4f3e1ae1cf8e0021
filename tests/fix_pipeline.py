"""The pipeline for the tests: a new DATA_DIR, a settable clock, and cycles."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from etl.backfill import BackfillReport, backfill
from etl.cycle import CycleReport, rebuild_warehouse, run_cycle
from etl.verify import Verification, verify
from olap.days import DayRange
from olap.generations import current
from olap.ids import IdTypes
from olap.layout import Layout
from olap.manifest import Manifest
from olap.mapping import read_mapping
from olap.secret import Secret
from olap.settings import Settings
from olap.warehouse import open_warehouse
from tests.source_schemas import SourceSchema, schema_mapped_by

TIME_ZERO = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
ALWAYS = DayRange(date.min, date.max)


@dataclass(slots=True)
class Clock:
    """A clock that moves only when a test moves it."""

    now: datetime = TIME_ZERO

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **by: float) -> None:
        """Move by the arguments of `timedelta`."""
        self.now += timedelta(**by)


_EMPTY: dict[IdTypes, bytes] = {}


def empty_warehouse(mapping: str) -> bytes:
    """A warehouse without rows, made once per process and types of ids, as a first cycle makes it.

    Raises:
        MappingError: the mapping, which has the types of the ids, cannot be used.
    """
    ids = read_mapping(mapping).ids
    if ids not in _EMPTY:
        with tempfile.TemporaryDirectory(prefix="warehouse-") as directory:
            layout = Layout(Path(directory))
            layout.create()
            settings = Settings(data_dir=layout.root, source_mapping=mapping)
            with layout.locked(), open_warehouse(settings):
                pass
            _EMPTY[ids] = layout.warehouse.read_bytes()
    return _EMPTY[ids]


@dataclass(slots=True)
class Pipeline:
    """A DATA_DIR and its source database.

    Attributes:
        starts_empty: whether the first cycle creates the warehouse; otherwise it finds an empty
            one, because creating its tables takes half of the time of a small first cycle.
    """

    url: str
    settings: Settings
    clock: Clock = field(default_factory=Clock)
    starts_empty: bool = False

    @property
    def schema(self) -> SourceSchema:
        """The messenger's tables."""
        return schema_mapped_by(self.settings.source_mapping)

    @property
    def layout(self) -> Layout:
        """The paths in the DATA_DIR."""
        return Layout(self.settings.data_dir)

    @property
    def published(self) -> Path:
        """The file analysts open."""
        return self.layout.pointer

    def cycle(self, *, is_full: bool = False, may_remove: bool = False) -> CycleReport:
        """Run one cycle and move the clock by a minute."""
        self._prepare()
        report = run_cycle(
            self.settings, Secret(self.url), self.clock, is_full=is_full, may_remove=may_remove
        )
        self.clock.advance(minutes=1)
        return report

    def backfill(self, days: DayRange = ALWAYS, **options: Any) -> BackfillReport:
        """Backfill these days and move the clock by a minute."""
        self._prepare()
        report = backfill(self.settings, Secret(self.url), self.clock, days=days, **options)
        self.clock.advance(minutes=1)
        return report

    def verify(self, days: DayRange = ALWAYS, **options: bool) -> Verification:
        """Verify these days and move the clock by a minute."""
        found = verify(self.settings, Secret(self.url), self.clock, days=days, **options)
        self.clock.advance(minutes=1)
        return found

    def manifest(self) -> Manifest:
        """The manifest of the generation that analysts open."""
        manifest = current(self.layout)
        assert manifest is not None
        return manifest

    def generations(self) -> list[int]:
        """The numbers of the generations on disk, ascending."""
        return sorted(int(p.parent.name) for p in self.layout.generations.glob("[0-9]*/*.duckdb"))

    def rebuild(self) -> Manifest:
        """Rebuild the warehouse from the lake."""
        return rebuild_warehouse(self.settings, self.clock)

    def without_brake(self) -> Pipeline:
        """The same pipeline, which removes all that is gone: most tests have few rows."""
        return replace(self, settings=replace(self.settings, repair_max_percent=100))

    def beside(self, name: str) -> Pipeline:
        """Another pipeline on the same database, with its own DATA_DIR."""
        directory = self.settings.data_dir.parent / name
        return replace(self, settings=replace(self.settings, data_dir=directory))

    def _prepare(self) -> None:
        if not self.starts_empty and not self.settings.data_dir.exists():
            warehouse = empty_warehouse(self.settings.source_mapping)
            self.layout.create()
            self.layout.warehouse.write_bytes(warehouse)


@pytest.fixture
def new_pipeline(tmp_path: Path, schema: SourceSchema) -> Callable[[str], Pipeline]:
    """Makes pipelines that read the database of a URL, each with its own DATA_DIR."""
    made: list[Pipeline] = []

    def make(url: str) -> Pipeline:
        directory = tmp_path / f"data-{len(made)}"
        made.append(Pipeline(url, Settings(data_dir=directory, source_mapping=schema.mapping)))
        return made[-1]

    return make


@pytest.fixture
def pipeline(database: str, new_pipeline: Callable[[str], Pipeline]) -> Pipeline:
    """A pipeline on a new database with the messenger's tables and no rows."""
    return new_pipeline(database)
