"""How a table is read, as the plans of its forms tell: what is slow, unnoticed, or leaves."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from etl.check import plans
from etl.check.findings import Finding, error, warning
from etl.check.plans import Column, Node
from etl.check.sources import Sources, quoted, quoted_relation
from olap.ids import IdTypes
from olap.mapping import MappedTable
from olap.tables import Fact, Table, Type

# The most characters of each text; ids are limited by `olap.ids`. Names and titles are free.
LONGEST = {
    "conversation_type": 64,
    "role": 64,
    "message_type": 64,
    "event_type": 128,
    "emoji": 128,
}
# Columns of longer texts, on average, do not belong into those above.
_LONG_BYTES = 64
_CATALOGS = ("pg_catalog.", "information_schema.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """The plans of one table.

    Attributes:
        names: of the columns that the SELECT returns, in order.
        selected: of the SELECT alone.
        changed: of a cycle, which reads what is new.
        looked_up: the same, with a scan only where no index can be used.
        ranged: of a range of blocks; None for a dimension, or a table that is read whole.
    """

    table: Table
    mapped: MappedTable
    names: tuple[str, ...]
    sources: Sources
    selected: Node
    changed: Node
    looked_up: Node
    ranged: Node | None

    @property
    def expressions(self) -> Mapping[str, str]:
        """What the SELECT computes for each column."""
        return dict(zip(self.names, plans.outputs(self.selected), strict=False))

    @property
    def own(self) -> frozenset[str]:
        """The source tables that the SELECT reads."""
        return plans.relations(self.selected)

    @property
    def touched(self) -> frozenset[str]:
        """The source tables whose new rows touch rows of this one."""
        found = plans.subplan(self.changed, plans.TOUCHED)
        return plans.relations(found) if found else frozenset()

    @property
    def versioned(self) -> frozenset[str]:
        """The source tables whose scan drops the rows that are older than the watermark."""
        return frozenset(
            plans.relation(scan)
            for scan in plans.scans(self.changed, without={plans.TOUCHED})
            if plans.filters_versions(scan)
        )

    @property
    def others(self) -> frozenset[str]:
        """The source tables that the SELECT reads besides those whose versions it returns."""
        if isinstance(self.table, Fact):
            return self.own - self.sources.covered(*self.mapped.places)
        return self.own - self.versioned if self.versioned else frozenset()

    @property
    def unranged(self) -> list[str]:
        """The tables of `places` of which a range of blocks is not read alone."""
        if self.ranged is None:
            return []
        found = {plans.relation(s) for s in plans.scans(self.ranged) if plans.is_of_a_range(s)}
        return [name for name in self.mapped.places if not self.sources.covered(name) & found]

    @property
    def has_ranges(self) -> bool:
        """Whether a range of blocks is read alone."""
        return self.ranged is not None and not self.unranged


def reading_findings(reading: Reading, replaced: Collection[str]) -> Iterator[Finding]:
    """What is wrong with how a table is read.

    Args:
        replaced: columns that are null only because they could not be read.
    """
    yield from _list_findings(reading)
    if not reading.mapped.is_whole:
        yield from _shape_findings(reading, replaced)
        yield from _index_findings(reading)
        yield from _unnoticed_findings(reading)


def _list_findings(reading: Reading) -> Iterator[Finding]:
    """`reads` lists what the SELECTs read, and nothing else."""
    table, mapped, sources = reading.table, reading.mapped, reading.sources
    read = {name for name in reading.own | reading.touched if not name.startswith(_CATALOGS)}
    if unlisted := sorted(read - sources.covered(*mapped.reads)):
        names = ", ".join(quoted_relation(relation) for relation in unlisted)
        yield error(
            table,
            f"`reads` of [tables.{table.name}] does not list {names}, which the SELECT reads",
            "Add the table, or the one that it is a partition of: what is listed is locked while "
            "it is read, and watched for changes of its columns.",
            file="mapping.toml",
        )
    text = f"{mapped.select} {mapped.touched or ''}"
    words = set(re.split(r"[^\w$]+", f"{text} {text.lower()}"))
    for name in mapped.reads:
        last = sources.rows[name]["full_name"].split(".")[-1].strip('"')
        if not sources.covered(name) & read and last not in words:
            yield warning(
                table,
                f"`reads` of [tables.{table.name}] lists {name}, which no SELECT reads",
                "Remove it; keep it if a function that the SELECT calls reads it.",
                file="mapping.toml",
            )


def _shape_findings(reading: Reading, replaced: Collection[str]) -> Iterator[Finding]:
    """The conditions on row_version and place reach the scans."""
    table, places, versioned = reading.table, reading.mapped.places, reading.versioned
    unfiltered = [name for name in places if not reading.sources.covered(name) & versioned]
    if not isinstance(table, Fact) and versioned:
        unfiltered = []
    if unfiltered and "row_version" not in replaced:
        yield warning(
            table,
            f"the condition on row_version does not reach {', '.join(unfiltered)}: a cycle "
            "computes the whole SELECT",
            "DISTINCT, GROUP BY, window functions and LIMIT prevent it: write scalar subqueries, "
            "or set `whole = true`. `places` must list the table whose ctid is `place`.",
        )
    elif reading.unranged and "place" not in replaced:
        yield warning(
            table,
            f"a range of {', '.join(reading.unranged)} is not read alone: a backfill reads "
            "everything for each range",
            "The place must be the table's `ctid` itself, and `places` must list that table.",
        )


def _index_findings(reading: Reading) -> Iterator[Finding]:
    """A row that changed, or was touched, is looked up, and so is what belongs to it."""
    table, plan = reading.table, reading.looked_up
    slow = {
        plans.relation(scan)
        for scan in plans.scans(plan, without={plans.TOUCHED, *plans.hashed(plan)})
        if plans.is_whole(scan) and not plans.filters_versions(scan)
    }
    for name in reading.sources.mapped_names(slow & reading.others):
        if reading.sources.is_tiny(name):
            continue
        yield warning(
            table,
            f"a row that changed reads all of {name}: no index fits the condition on it",
            f"Create an index on the columns of {name} that the SELECT compares.",
        )
    if isinstance(table, Fact) and reading.mapped.touched is not None:
        own = plans.scans(plan, without={plans.TOUCHED})
        is_tiny = all(reading.sources.is_tiny(name) for name in reading.mapped.places)
        if not is_tiny and not any(plans.looks_up_ids(scan) for scan in own):
            yield warning(
                table,
                f"touched rows are looked up without an index on {table.touched_by}",
                f"Create an index on the column that is returned as {table.touched_by}; a cast or "
                "a function of it needs an index on the same expression.",
            )


def _unnoticed_findings(reading: Reading) -> Iterator[Finding]:
    """A change of another table is noticed."""
    table = reading.table
    if reading.mapped.follows and reading.mapped.touched is None:
        return  # the messages that it follows have a defect, which is named
    for name in reading.sources.mapped_names(reading.others - reading.touched):
        if isinstance(table, Fact):
            way = (
                f"Write touched/{table.name}.sql: row_version and {table.touched_by} of the rows "
                f"of {name}."
            )
        else:
            way = f"Set `whole = true` for [tables.{table.name}] and return no row_version."
        yield warning(
            table,
            f"no cycle notices when only a row of {name} changes",
            f"{way} Until then the daily proof finds such a change.",
        )


def text_findings(
    reading: Reading, ids: IdTypes, message_texts: Collection[Column]
) -> Iterator[tuple[str, Finding]]:
    """The columns that return the text of a message, or another long text.

    Args:
        message_texts: the source's columns whose length is the length of a message.
    """
    texts, types = reading.sources.texts, reading.table.types(ids)
    for name, expression in reading.expressions.items():
        if types.get(name) is not Type.TEXT:
            continue
        for column in sorted(plans.passed_on(expression, reading.selected) & texts.keys()):
            is_message = column in message_texts
            if is_message or (name in LONGEST and (texts[column] or 0) > _LONG_BYTES):
                source = f"{quoted_relation(column.relation)}.{quoted(column.name)}"
                what = f"{source}, the text of messages" if is_message else f"the text {source}"
                yield (
                    name,
                    error(
                        reading.table,
                        f"{name} returns {what}: it would leave the server",
                        "Return its char_length, or a value that the SELECT chooses with CASE.",
                    ),
                )
                break
