"""The brake: what is gone at the source in great numbers stays here until somebody accepts it.

Rows disappear from a source a few at a time: a person leaves a room, a message is removed for good.
When a large part of a table is gone at once, it was meant, or a partition was detached, a table was
swapped or emptied, or a backup was restored. The rows do not tell which. So every path that
removes rows asks here first, for each table:

* the rows that would go are counted by key, so news of the same day hide nothing, and a row whose
  event time moved to another day is not gone;
* if they are too many (`is_too_many`), they stay: those of a fact are staged beside what was read,
  those of a dimension are not removed. New and changed rows are taken as ever;
* the number is recorded as `TableState.refused_rows`, and `status` is critical until the rows are
  back at the source or somebody has accepted it (`how_to_accept`).

Nothing is counted where no row can be gone: most cycles read no day whole, and the number of rows
of a dimension tells whether its ids must be read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from olap.commands import call
from olap.days import DaySet
from olap.errors import SourceError
from olap.manifest import LakeFile, Manifest, Places
from olap.tables import Dimension, Fact
from olap.warehouse import Warehouse

# Up to so many rows may go whatever their percentage, as long as more stay than go. In a small
# table one row is many percent: of ten memberships, one person's are 10 %, and that person must
# lose access at the next cycle. Twenty is a room that closes, or a person who leaves all of theirs;
# from 400 rows on, the default of 5 % allows more. That a table is emptied or halved is never a
# matter of course, however small it is.
FEW_ROWS = 20


def how_to_accept() -> str:
    """What to do where rows are gone at the source on purpose."""
    return (
        f"if the source is right, accept it with `{call('etl --full --yes')}` "
        f"or `{call('verify --repair --yes')}`"
    )


def refusal_text(table: str, gone: int, held: int) -> str:
    """What happened to a table whose rows stay, and what to do."""
    gone_of = f"{gone:,} of {held:,} rows of {table}"
    return f"{gone_of} are gone at the source and stay here: {how_to_accept()}"


def is_too_many(gone: int, held: int, *, max_percent: int) -> bool:
    """Whether so many rows must not be removed unasked.

    Args:
        gone: rows that are here and not at the source.
        held: rows of the table here.
        max_percent: `REPAIR_MAX_PERCENT`; 100 accepts everything, 0 not even a few rows.
    """
    if not gone or max_percent == 100:
        return False
    is_few = gone <= FEW_ROWS and gone < held - gone
    if is_few and max_percent > 0:
        return False
    return gone * 100 > max_percent * held


@dataclass(frozen=True, slots=True, kw_only=True)
class Gone:
    """What is gone of a fact on the days that were read whole.

    Attributes:
        refused_rows: how many rows, if they are too many to remove unasked; else 0.
        stays: whether the rows stay in this batch: they are refused, or more are gone on
            other days, and the next batch reads all of these whole and decides. Where nothing was
            counted only a scan can decide, so that the batch must become one.
    """

    refused_rows: int
    stays: bool


NOTHING_GONE = Gone(refused_rows=0, stays=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Brake:
    """Decides for each table of a batch whether what is gone at the source goes here too.

    Attributes:
        warehouse: with the table staged in it.
        before: the state before the batch.
        lost: places in the lake with unusable files.
        max_percent: see `is_too_many`.
    """

    warehouse: Warehouse
    before: Manifest
    lost: Places
    max_percent: int

    def gone(
        self,
        fact: Fact,
        whole: DaySet,
        counts: Mapping[date | None, int] | None,
        removed: Mapping[date, int] | None = None,
    ) -> Gone:
        """What is gone of a fact, and whether it stays.

        `staging.gone_<fact>` then holds the keys of the rows that stay, or of those that go.

        Args:
            whole: the days of which all rows are staged.
            counts: the source's rows by day, inside the coverage; None where a feed told what
                changed and nothing was counted.
            removed: what `olap.removals` found, where a feed told what changed.

        Raises:
            SourceError: too many rows are gone, and the files with them are lost.
        """
        days, removed = self._days(fact), removed or {}
        files = [days[day] for day in days if day in whole]
        if not files:
            self.warehouse.run("facts/none_gone", fact)
            gone = 0
        else:
            gone = self.warehouse.run("facts/gone", fact, files=self._paths(files))[0][0]
        elsewhere = [days[day] for day in days if day not in whole]
        if files and elsewhere and self.is_too_many(gone + sum(removed.values()), fact):
            paths = self._paths(elsewhere)
            gone = self.warehouse.run("facts/gone_everywhere", fact, files=paths)[0][0]
        told = 0
        if removed:
            ((gone, told),) = self.warehouse.run("facts/gone_by_key", fact)
        filed = sum(file.rows for file in days.values())
        source = (
            counts if counts is not None else dict(self.warehouse.run("facts/staged_days", fact))
        )
        read_again = sum(rows for day, rows in source.items() if day not in days)
        self._require_kept(self._held(fact) - filed - read_again, fact)
        if self.is_too_many(gone, fact):
            return Gone(refused_rows=gone, stays=True)
        if counts is None:
            # What the feed did not tell may be gone on other days too, and nothing was counted.
            return Gone(refused_rows=0, stays=gone > told)
        # A proof of some days must not remove, a few days at a time, what is gone on all of them.
        missing = sum(max(0, f.rows - counts.get(f.day, 0)) for f in elsewhere)
        return Gone(refused_rows=0, stays=gone > 0 and self.is_too_many(gone + missing, fact))

    def keep(self, fact: Fact, whole: DaySet) -> None:
        """Stage the rows of a fact that are gone and stay, as the lake has them."""
        days = self._days(fact)
        files = [days[day] for day in days if day in whole]
        self.warehouse.run("facts/keep_gone", fact, files=self._paths(files))
        self.warehouse.run("facts/none_gone", fact)

    def keep_messages_of(self, fact: Fact, messages: Fact) -> None:
        """Stage the rows about messages that stay with these messages' conversation and time."""
        if files := list(self._days(messages).values()):
            self.warehouse.run("facts/keep_messages", fact, files=self._paths(files))

    def refused_rows_of_dimension(self, dimension: Dimension, gone: int, source_rows: int) -> int:
        """How many rows of a dimension must stay although they are gone; 0 if what is gone goes.

        Args:
            gone: rows of the warehouse that the source lacks.
            source_rows: rows of the source.

        Raises:
            SourceError: too many rows are gone, and warehouse and lake have lost them.
        """
        self._require_kept(self._held(dimension) - source_rows - gone, dimension)
        return gone if self.is_too_many(gone, dimension) else 0

    def is_too_many(self, gone: int, table: Dimension | Fact) -> bool:
        """Whether so many rows of a table must not be removed unasked."""
        return is_too_many(max(gone, 0), self._held(table), max_percent=self.max_percent)

    def _require_kept(self, missing: int, table: Dimension | Fact) -> None:
        """Stop where recorded rows are neither here nor at the source: nothing is left to stay."""
        if self.is_too_many(missing, table):
            raise SourceError(
                f"{missing:,} of {self._held(table):,} rows of {table.name} are gone at the "
                "source, and the files of the lake that held them are lost too",
                hint=f"Restore the files of the lake from a backup; or, {how_to_accept()}.",
            )

    def _held(self, table: Dimension | Fact) -> int:
        state = self.before.tables.get(table.name)
        return state.rows if state else 0

    def _days(self, fact: Fact) -> dict[date, LakeFile]:
        """The usable day files of a fact."""
        return {
            file.day: file
            for file in self.before.files
            if file.table == fact.name and file.day is not None
            if (fact.name, file.day) not in self.lost
        }

    def _paths(self, files: list[LakeFile]) -> list[Path]:
        return [self.warehouse.layout.lake / file.path for file in files]
