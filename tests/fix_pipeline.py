"""The pipeline for the tests: a DATA_DIR of its own, a clock that is told the time, and cycles."""

from __future__ import annotations

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
from olap.layout import Layout
from olap.manifest import Manifest
from olap.publish import current
from olap.settings import Secret, Settings

TIME_ZERO = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
ALWAYS = DayRange(date.min, date.max)


@dataclass(slots=True)
class Clock:
    """A clock that stands still until it is moved."""

    now: datetime = TIME_ZERO

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **by: float) -> None:
        """Move on, by what `timedelta` takes."""
        self.now += timedelta(**by)


@dataclass(slots=True)
class Pipeline:
    """One DATA_DIR and the database it is read from."""

    url: str
    settings: Settings
    clock: Clock = field(default_factory=Clock)

    @property
    def layout(self) -> Layout:
        return Layout(self.settings.data_dir)

    @property
    def published(self) -> Path:
        """The file analysts open."""
        return self.layout.pointer

    def cycle(self, *, is_full: bool = False) -> CycleReport:
        """Run one cycle and let a minute pass."""
        report = run_cycle(self.settings, Secret(self.url), self.clock, is_full=is_full)
        self.clock.advance(minutes=1)
        return report

    def backfill(self, days: DayRange = ALWAYS, **options: Any) -> BackfillReport:
        """Backfill these days and let a minute pass."""
        report = backfill(self.settings, Secret(self.url), self.clock, days=days, **options)
        self.clock.advance(minutes=1)
        return report

    def verify(self, days: DayRange = ALWAYS, **options: bool) -> Verification:
        """Verify these days and let a minute pass."""
        found = verify(self.settings, Secret(self.url), self.clock, days=days, **options)
        self.clock.advance(minutes=1)
        return found

    def manifest(self) -> Manifest:
        """The manifest of the generation that analysts open."""
        manifest = current(self.layout)
        assert manifest is not None
        return manifest

    def generations(self) -> list[int]:
        """The numbers of the generations on disk."""
        return sorted(int(p.stem[-6:]) for p in self.layout.generations.glob("*.duckdb"))

    def rebuild(self) -> Manifest:
        """Make the warehouse anew from the lake."""
        return rebuild_warehouse(self.settings, self.clock)

    def beside(self, name: str) -> Pipeline:
        """Another pipeline on the same database with a DATA_DIR of its own."""
        directory = self.settings.data_dir.parent / name
        return Pipeline(self.url, replace(self.settings, data_dir=directory), self.clock)


@pytest.fixture
def new_pipeline(tmp_path: Path) -> Callable[[str], Pipeline]:
    """Make a pipeline that reads the database of a URL; each has a DATA_DIR of its own."""
    made: list[Pipeline] = []

    def make(url: str) -> Pipeline:
        directory = tmp_path / f"data-{len(made)}"
        made.append(Pipeline(url, Settings(data_dir=directory)))
        return made[-1]

    return make


@pytest.fixture
def pipeline(database: str, new_pipeline: Callable[[str], Pipeline]) -> Pipeline:
    """A pipeline on a fresh database with the messenger's tables and no rows."""
    return new_pipeline(database)
