"""The pipeline for the tests: a new DATA_DIR, a settable clock, and cycles."""

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
    """A clock that moves only when a test moves it."""

    now: datetime = TIME_ZERO

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **by: float) -> None:
        """Move by the arguments of `timedelta`."""
        self.now += timedelta(**by)


@dataclass(slots=True)
class Pipeline:
    """A DATA_DIR and its source database."""

    url: str
    settings: Settings
    clock: Clock = field(default_factory=Clock)

    @property
    def layout(self) -> Layout:
        """The paths in the DATA_DIR."""
        return Layout(self.settings.data_dir)

    @property
    def published(self) -> Path:
        """The file analysts open."""
        return self.layout.pointer

    def cycle(self, *, is_full: bool = False) -> CycleReport:
        """Run one cycle and move the clock by a minute."""
        report = run_cycle(self.settings, Secret(self.url), self.clock, is_full=is_full)
        self.clock.advance(minutes=1)
        return report

    def backfill(self, days: DayRange = ALWAYS, **options: Any) -> BackfillReport:
        """Backfill these days and move the clock by a minute."""
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
        return sorted(int(p.stem[-6:]) for p in self.layout.generations.glob("*.duckdb"))

    def rebuild(self) -> Manifest:
        """Rebuild the warehouse from the lake."""
        return rebuild_warehouse(self.settings, self.clock)

    def beside(self, name: str) -> Pipeline:
        """Another pipeline on the same database, with its own DATA_DIR."""
        directory = self.settings.data_dir.parent / name
        return Pipeline(self.url, replace(self.settings, data_dir=directory), self.clock)


@pytest.fixture
def new_pipeline(tmp_path: Path) -> Callable[[str], Pipeline]:
    """Makes pipelines that read the database of a URL, each with its own DATA_DIR."""
    made: list[Pipeline] = []

    def make(url: str) -> Pipeline:
        directory = tmp_path / f"data-{len(made)}"
        made.append(Pipeline(url, Settings(data_dir=directory)))
        return made[-1]

    return make


@pytest.fixture
def pipeline(database: str, new_pipeline: Callable[[str], Pipeline]) -> Pipeline:
    """A pipeline on a new database with the messenger's tables and no rows."""
    return new_pipeline(database)
