"""Rollups: which parts of them a batch makes stale, and how these are derived again.

A rollup is derived from facts and from attributes of dimensions. It has *parts*, and a part is
stale when something that it is derived from has changed. Stale parts are deleted and derived again
in the commit of the change. Nothing is incremented, so a rollup is always what a rebuild would make
of the lake.

* **A UTC day** is a part of most rollups. It is derived from the keyed rows of this day
  (`sql/facts/keyed`), and is stale when one of its facts changes. To some of them an edit is no
  change (`Rollup.ignores_edits`): they ask a comparison of the old and the new facts.
* **The reads of a reader in a conversation on a UTC day** are a part of `read_days`, which counts
  who read their own messages: they are stale when these receipts change, and when messages that the
  reader sent and read appear or go. They are derived from the facts of the warehouse, because the
  messages may be of any day: looking for those of all readers would read every message there is.
* **A person** is a part of `user_firsts`. Of the days whose facts changed it is told who was active
  earlier than was known, and whose first activity is gone; only of the latter all days are read.
* **A conversation's UTC day** is a part of `message_outcomes`, because what became of a message is
  told by the days around it: the reply to a message of midnight is on another day. It is derived
  from the facts of the warehouse, so all of a batch must be there. Which parts are stale is told by
  a comparison of the old and the new facts (`sql/stale/messages.sql`), in which an edit is no
  difference. Without it a late edit would derive three days of all conversations again.

**Attributes.** A rollup that distinguishes bots, or types of conversations, has an attribute of a
dimension in it, which may change long after the facts: the row of an id that was mentioned first, a
correction, a hard delete. So a batch that changes a dimension compares the attributes before and
after it, by key (`Attributes`). Keys that differ make the days of their facts stale.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import TypeAlias

import duckdb

from olap.days import DayRange, spans
from olap.errors import BusyError, EngineError
from olap.log import get_logger
from olap.manifest import LakeFile
from olap.staging import Staging
from olap.tables import ROLLUPS, Dimension, Rollup
from olap.warehouse import Warehouse

log = get_logger(__name__)

READ_ROLLUPS = tuple(rollup for rollup in ROLLUPS if rollup.knows_senders)
PERSON_ROLLUPS = tuple(rollup for rollup in ROLLUPS if rollup.is_by_person)
CONVERSATION_ROLLUPS = tuple(rollup for rollup in ROLLUPS if rollup.is_by_conversation)
# Every message meets its receipts and replies: a month of 30 million messages on 300 days takes
# more than 760 MB, which ended a first load.
_DAYS_OF_OUTCOMES = 10

# The Parquet files of each rollup, in the lists in which they are inserted; none is empty.
Made: TypeAlias = Mapping[str, list[list[Path]]]

DAY_ROLLUPS = tuple(
    rollup
    for rollup in ROLLUPS
    if rollup not in (*READ_ROLLUPS, *PERSON_ROLLUPS, *CONVERSATION_ROLLUPS)
)
# The facts whose changes are compared: old rows must still be there.
COMPARED = frozenset({"messages", "read_receipts"})


class Attributes:
    """The attributes of dimensions in rollups, and the days of the keys whose attributes changed.

    Attributes:
        changed: the UTC days with rows of changed keys, by dimension and fact.
    """

    def __init__(self, warehouse: Staging) -> None:
        self._warehouse = warehouse
        self.changed: dict[str, dict[str, set[date]]] = {}

    def remember(self, dimension: Dimension) -> None:
        """Keep the attributes, before the dimension changes."""
        if _describes(dimension):
            self._warehouse.run(f"stale/known_{dimension.name}")

    def compare(self, dimension: Dimension) -> None:
        """Find the keys whose attributes differ from those that were kept."""
        if not _describes(dimension):
            return
        days = self.changed.setdefault(dimension.name, {})
        for fact, day in self._warehouse.run(f"stale/{dimension.name}"):
            days.setdefault(fact, set()).add(day)


def _describes(dimension: Dimension) -> bool:
    return any(dimension.name in rollup.dimensions for rollup in ROLLUPS)


def start(warehouse: Staging) -> None:
    """Begin with no stale part of the rollups whose facts are compared."""
    warehouse.run("stale/start")


def stale_days(
    rollup: Rollup,
    dirty: Mapping[str, Collection[date]],
    changed: Mapping[str, Mapping[str, Collection[date]]],
) -> set[date]:
    """The stale days of a rollup by day.

    Args:
        dirty: the days of each fact on which rows changed.
        changed: as `Attributes.changed`.
    """
    causes = [dirty, *(changed.get(name, {}) for name in rollup.dimensions)]
    return {day for cause in causes for fact in rollup.facts for day in cause.get(fact, ())}


def changed_days(warehouse: Staging) -> dict[str, set[date]]:
    """The days on which facts have changed by more than edits, as far as they were compared."""
    found: dict[str, set[date]] = {}
    for fact, day in warehouse.run("stale/changed_days"):
        found.setdefault(fact, set()).add(day)
    return found


def made_by_engine(warehouse: Warehouse, files: Sequence[LakeFile]) -> Made | None:
    """The rollups of these lake files, made by the engine of `FOLD_ON`; None = derive them here.

    Args:
        files: all of the lake: of facts and of dimensions.
    """
    if warehouse.fold_on is None:
        return None
    from olap.engine.rollups import made_of

    started = time.perf_counter()
    try:
        made = made_of(warehouse, files)
    except (EngineError, BusyError) as error:
        log.warning("rollups.folded_here", reason=error.message, hint=error.hint)
        return None
    log.info("rollups.made", by="engine", ms=round((time.perf_counter() - started) * 1000))
    return made


def insert(warehouse: Staging, made: Made) -> None:
    """Fill the empty rollups with rows that an engine has written; see `olap.engine.rollups`.

    Raises:
        EngineError: files are damaged. They have been removed; the next attempt makes them again.
    """
    for rollup in ROLLUPS:
        for files in made[rollup.name]:
            try:
                warehouse.run(f"rollups/taken/{rollup.name}", files=files)
            except duckdb.Error as error:
                from olap.engine.rollups import discard_damaged

                discard_damaged(files, error)
                raise


def derive_days(warehouse: Staging, rollup: Rollup, days: Iterable[date]) -> None:
    """Derive days of a rollup by day again.

    Most are derived from the keyed rows of these days; those of `READ_ROLLUPS` from the facts of
    the warehouse.
    """
    if not (of_rollup := sorted(days)):
        return
    if rollup.knows_senders:
        warehouse.run("rollups/reads/of_days", days=of_rollup)
        sent = _days_of_messages_read(warehouse)
        _derive_reads(warehouse, rollup, [DayRange(sent[0], sent[-1])] if sent else [])
    else:
        warehouse.run(f"rollups/{rollup.name}", days=of_rollup)


def derive_reads(warehouse: Staging, rollup: Rollup) -> None:
    """Derive what is stale of a rollup of reads again, from the facts of the warehouse."""
    for span in spans(day for (day,) in warehouse.run("stale/sender_days")):
        warehouse.run("stale/reads", since=span.since, until=span.until)
    for span in spans(day for (day,) in warehouse.run("stale/read_days")):
        warehouse.run("rollups/reads/of_parts", since=span.since, until=span.until)
        _derive_reads(warehouse, rollup, spans(_days_of_messages_read(warehouse)))


def _days_of_messages_read(warehouse: Staging) -> list[date]:
    return [day for (day,) in warehouse.run("rollups/reads/message_days")]


def _derive_reads(warehouse: Staging, rollup: Rollup, sent: Iterable[DayRange]) -> None:
    """Count the receipts that were selected.

    Args:
        sent: when their messages were sent. A message of years ago is read now and then, and its
            day alone is looked up.
    """
    for span in sent:
        warehouse.run("rollups/reads/own", since=span.since, until=span.until)
    warehouse.run(f"rollups/{rollup.name}")


def derive_people(warehouse: Staging, rollup: Rollup, days: Iterable[date]) -> None:
    """Derive a rollup by person again, as far as the facts of these UTC days decide it.

    It reads the facts of the warehouse.
    """
    for span in spans(days):
        warehouse.run(f"rollups/{rollup.name}", since=span.since, until=span.until)


def derive_conversations(
    warehouse: Staging, rollup: Rollup, whole_days: Iterable[date] = ()
) -> None:
    """Derive the stale parts of a rollup by conversation again, from the warehouse's facts.

    Args:
        whole_days: UTC days of which all parts are stale.
    """
    if of_rollup := sorted(whole_days):
        warehouse.run("stale/whole_days", days=of_rollup)
    days = (day for (day,) in warehouse.run("stale/days"))
    for span in spans(days, at_most=_DAYS_OF_OUTCOMES):
        warehouse.run(f"rollups/{rollup.name}", since=span.since, until=span.until)
