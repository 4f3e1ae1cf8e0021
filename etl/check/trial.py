"""One table tried in the transaction of a cycle: its plans, its texts, some of its rows."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import pyarrow as pa
import pyarrow.compute as pc

from etl.check import plans
from etl.check.drafts import Draft, detail_of
from etl.check.findings import CheckedTable, Finding, Findings, error, warning
from etl.check.plans import Column, Node
from etl.check.reading import LONGEST, Reading, reading_findings, text_findings
from etl.check.rows import data_findings, shortened
from etl.check.sources import Sources
from etl.source import SourceTransaction, Window, open_source
from olap.backfill_chunks import BlockRange
from olap.days import EVERY_DAY, NO_DAY, DaySet
from olap.errors import SourceError
from olap.mapping import SourceMapping
from olap.secret import Secret
from olap.settings import Settings
from olap.tables import ID_KINDS, Fact, Table, Type

# As many rows as `source/forms/first_rows.sql` reads.
SAMPLE_ROWS = 100_000
SAMPLE_RANGES = 8
# PostgreSQL's estimate beyond which a SELECT that sorts or groups is not tried.
COST_MAX = 200_000
SHOWN_ROWS = 2
ID_LENGTH_MAX = 255
# A transaction that lasts longer holds the watermark back noticeably.
HOLDER_SECONDS = 300

_ROWS_HINT = (
    "A value of some row makes the SELECT fail: limit it before it is converted (`least`, `case`, "
    "`nullif`)."
)


@dataclass(slots=True)
class Examiner:
    """Tries the tables one by one, each in a transaction of its own.

    Attributes:
        message_texts: the source's columns whose length is the length of a message, as far as
            known.
    """

    settings: Settings
    url: Secret
    mapping: SourceMapping
    sources: Sources
    found: Findings
    message_texts: set[Column] = field(default_factory=set)

    def examine(self, draft: Draft) -> CheckedTable:
        """What a cycle would find in one table."""
        table, mapped = draft.table, draft.mapped
        trial, is_open = replace(self.mapping, tables={table.name: mapped}), False
        try:
            with open_source(self.url, self.settings, trial) as source:
                is_open = True
                return _Trial(self, draft, source).run()
        except SourceError as raised:
            is_refused = not is_open and not raised.sqlstate
            if is_refused:
                self.found.add(error(table, raised.message, raised.hint, file="mapping.toml"))
            elif not draft.is_patched:  # what a null causes that stands for a column is no news
                hint = raised.hint if raised.sqlstate else _ROWS_HINT
                self.found.add(error(table, f"cannot be read: {detail_of(raised)}", hint))
        if is_refused and not mapped.is_whole:
            # The rows of a source table have no version. What else is wrong?
            return replace(self.examine(draft.as_whole()), is_whole=False)
        return CheckedTable(name=table.name, is_whole=mapped.is_whole)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sample:
    """Some rows of a table.

    Attributes:
        is_complete: whether there are no other rows.
        load_seconds, scan_seconds: see `CheckedTable`.
    """

    rows: pa.Table
    is_complete: bool
    load_seconds: float
    scan_seconds: float | None


@dataclass(slots=True)
class _Trial:
    """One table in an open transaction."""

    examiner: Examiner
    draft: Draft
    source: SourceTransaction

    def run(self) -> CheckedTable:
        draft, found = self.draft, self.examiner.found
        reading = self._reading()
        selected = reading.selected
        plan = selected["Plans"][-1] if selected["Node Type"] == "Limit" else selected
        checked = CheckedTable(
            name=draft.table.name,
            is_whole=draft.mapped.is_whole,
            unkeyed=self.examiner.sources.unkeyed(draft.table, draft.mapped),
            rows=int(plan["Plan Rows"]),
        )
        found.add(*self._server_findings())
        if not self.examiner.sources.hide_rows(draft.mapped):
            # A policy adds conditions of its own to the plans.
            found.add(*reading_findings(reading, draft.replaced))
        length = reading.expressions.get("content_length", "")
        self.examiner.message_texts |= plans.measured(length, selected)
        texts = dict(text_findings(reading, self.examiner.mapping.ids, self.examiner.message_texts))
        found.add(*texts.values())
        sample = self._sample(plan, reading.has_ranges)
        if sample is None:
            return checked
        rows, now = sample.rows, self.source.snapshot.seen_at
        long = {name: f for name, f in self._length_findings(rows) if name not in texts}
        found.add(*long.values(), *data_findings(draft.table, rows, now, draft.replaced))
        if sample.is_complete and not draft.replaced and _has_sound_keys(rows, draft.table):
            found.add(*self._count_findings(rows.num_rows))
        return replace(
            checked,
            rows=rows.num_rows if sample.is_complete else checked.rows,
            load_seconds=sample.load_seconds,
            scan_seconds=sample.scan_seconds,
            sample_rows=rows.num_rows,
            sample=tuple(
                {
                    name: "(not shown)" if name in texts | long else shortened(value)
                    for name, value in row.items()
                    if name != "is_new"
                }
                for row in rows.slice(0, SHOWN_ROWS).to_pylist()
            ),
        )

    def _reading(self) -> Reading:
        table, mapped, plan = self.draft.table, self.draft.mapped, self.source.plan
        form = "fact_rows" if isinstance(table, Fact) else "dimension_rows"
        window = Window(watermark=self.source.snapshot.xmin)
        has_places = isinstance(table, Fact) and not mapped.is_whole
        return Reading(
            table=table,
            mapped=mapped,
            names=self.draft.names,
            sources=self.examiner.sources,
            selected=plan("columns", table),
            changed=plan(form, table, window),
            looked_up=plan(form, table, window, avoid_scans=True),
            ranged=plan("fact_range", table, places=("(0,0)", "(64,0)")) if has_places else None,
        )

    def _server_findings(self) -> Iterator[Finding]:
        """What would end a long reading, or holds the watermark back."""
        for setting, limit in self.source.time_limits().items():
            yield warning(
                None,
                f"{setting} ends what takes longer than {limit / 1000:,.0f} s, a first load too",
                f"`alter role … set {setting} = 0;`, unless that is long enough.",
            )
        for row in self.source.holders(HOLDER_SECONDS):
            yield warning(
                None,
                f"the watermark is held back by {row['holder']}: each cycle reads again all that "
                "changed since then",
                f"If nobody needs it: `{row['way_out']}`.",
            )

    def _count_findings(self, rows: int) -> Iterator[Finding]:
        """Whether each row of the source is one row here, unless the mapping says otherwise."""
        table, mapped = self.draft.table, self.draft.mapped
        if mapped.is_whole or mapped.is_filtered or not mapped.has_place:
            return
        at_most = SAMPLE_ROWS + 1
        counted = sum(self.source.count_rows(name, at_most) for name in mapped.places)
        if counted != rows:
            number = f"{at_most:,} or more" if counted >= at_most else f"{counted:,}"
            yield warning(
                table,
                f"{number} rows of {', '.join(mapped.places)} are {rows:,} rows here, and "
                f"[tables.{table.name}] does not say so",
                "Write `filtered = true`: a feed's inserts and deletions then do not count rows.",
                file="mapping.toml",
            )

    def _length_findings(self, rows: pa.Table) -> Iterator[tuple[str, Finding]]:
        """The columns that return longer texts than such a column has."""
        table = self.draft.table
        for name, type_ in table.types(self.examiner.mapping.ids).items():
            is_id = table.columns[name] in ID_KINDS
            limit = ID_LENGTH_MAX if is_id else LONGEST.get(name)
            if type_ is not Type.TEXT or limit is None:
                continue
            longest = pc.max(pc.utf8_length(rows[name])).as_py() or 0
            if longest > limit:
                yield (
                    name,
                    error(
                        table,
                        f"{name} has up to {longest:,} characters: a text would leave the server",
                        f"Return {'an id' if is_id else 'a name'} of at most {limit} characters.",
                    ),
                )

    def _sample(self, plan: Node, has_ranges: bool) -> _Sample | None:
        """Some rows; None where they would cost too much."""
        table, estimate = self.draft.table, int(plan["Plan Rows"])
        if estimate > SAMPLE_ROWS and has_ranges:
            return self._sample_of_ranges(estimate)
        is_much = estimate > SAMPLE_ROWS or plan["Total Cost"] > COST_MAX
        if is_much and not plans.is_streamed(plan):
            return None
        rows, seconds = _timed(lambda: self.source.first_rows(table).read_all())
        is_complete, scan = rows.num_rows < SAMPLE_ROWS, None
        if has_ranges:
            (every,) = self._ranges(1, self._blocks)
            _, scan = _timed(lambda: self.source.range_rows(every, NO_DAY).read_all())
        elif is_complete:
            window = Window(watermark=self.source.snapshot.xmin)
            _, scan = _timed(lambda: self.source.rows(table, window).read_all())
        scale = 1.0 if is_complete else max(1.0, estimate / SAMPLE_ROWS)
        return _Sample(
            rows=rows, is_complete=is_complete, load_seconds=seconds * scale, scan_seconds=scan
        )

    def _sample_of_ranges(self, estimate: int) -> _Sample:
        """Rows of ranges of blocks, evenly from the first block to the last."""
        width = max(1, self._blocks * SAMPLE_ROWS // estimate // SAMPLE_RANGES)
        planned = self._ranges(SAMPLE_RANGES, width)

        def read(days: DaySet) -> pa.Table:
            return pa.concat_tables(self.source.range_rows(p, days).read_all() for p in planned)

        scale = self._blocks / (width * len(planned))
        rows, seconds = _timed(lambda: read(EVERY_DAY))
        _, scan = _timed(lambda: read(NO_DAY))
        return _Sample(
            rows=rows, is_complete=False, load_seconds=seconds * scale, scan_seconds=scan * scale
        )

    @property
    def _blocks(self) -> int:
        """The blocks of the table, or of its largest partition."""
        return max(1, *self.source.relations[self.draft.table.name].heap_blocks)

    def _ranges(self, count: int, width: int) -> list[BlockRange]:
        """At most `count` ranges of blocks, evenly from the first block to the last."""
        step = (self._blocks - width) / max(1, count - 1)
        name = self.draft.table.name
        return [
            BlockRange(table=name, number=i, first_block=b, until_block=b + width, blocks=width)
            for i, b in enumerate(sorted({round(i * step) for i in range(count)}))
        ]


def _has_sound_keys(rows: pa.Table, table: Table) -> bool:
    """Whether each row has a key, and its own; otherwise that is the finding."""
    keys = list(zip(*(rows[name].to_pylist() for name in table.key), strict=True))
    return len(set(keys)) == len(keys) and not any(None in key for key in keys)


def _timed(read: Callable[[], pa.Table]) -> tuple[pa.Table, float]:
    """What `read` returns, and how many seconds it takes."""
    started = time.perf_counter()
    found = read()
    return found, time.perf_counter() - started
