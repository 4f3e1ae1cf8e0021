"""A cycle that finds 10,000 changes, in each mode: 9,900 on the last two days, 100 on 20 older.

A third of the recent changes are edits, a third are receipts of unread messages, the rest are
new messages; a messenger too small for that many edits and receipts gets more new messages
instead. The old changes are edits, five on each of 20 days. A digest of the row's id and the number
of the cycle chooses the rows, so each run changes the same ones. Deleted messages stay unchanged,
as in a messenger.

The modes take turns, so that a busy minute of the machine and the growth of the last two days
affect all of them. Messenger and DATA_DIR are kept between runs of the bench, because a first load
of fifty million messages takes minutes: a run begins by removing the rows that the last one added.

The first cycles are not measured: publishing reuses a generation that is no longer kept, and a new
DATA_DIR has none. No day is proved meanwhile, because each was written less than a day ago; an
older DATA_DIR is loaded again.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

import psycopg

from olap.errors import AnalyticsError, LakeError
from olap.layout import Layout
from olap.manifest import Mode, read_manifest
from tests.bench.etl_run import EtlRun, etl, etl_run
from tests.bench.source import UNTIL, Say

CHANGES = 10_000
_OLD_DAYS = 20
_OLD_PER_DAY = 5
_RECENT_OF_A_KIND = (CHANGES - _OLD_DAYS * _OLD_PER_DAY) // 3

_EDIT = """
    update messages
    set content = messages.content || ' (edited)', updated_at = %(until)s
    where id in (
        select id
        from messages
        where created_at >= %(since)s and created_at < %(before)s and deleted_at is null
        order by md5(id::text || %(cycle)s)
        limit %(count)s
    )
"""
_READ = """
    insert into message_read_receipts (message_id, user_id, read_at)
    select message.id, reader.user_id, %(until)s - interval '1 second'
    from messages as message
    cross join lateral (
        select participant.user_id
        from conversation_participants as participant
        where participant.conversation_id = message.conversation_id
          and not exists (
              select from message_read_receipts as receipt
              where receipt.message_id = message.id and receipt.user_id = participant.user_id
          )
        order by participant.user_id
        limit 1
    ) as reader
    where
        message.created_at >= %(since)s
        and message.created_at < %(before)s
        and message.deleted_at is null
    order by md5(message.id::text || %(cycle)s)
    limit %(count)s
"""
_WRITE = """
    with model as materialized (
        select *, row_number() over (order by md5(id::text || %(cycle)s)) - 1 as number
        from messages
        where created_at >= %(since)s and created_at < %(before)s and deleted_at is null
    )
    insert into messages (id, conversation_id, sender_id, message_type, content, created_at)
    select
        md5('new ' || %(cycle)s || ' ' || place)::uuid,
        model.conversation_id, model.sender_id, model.message_type, model.content,
        %(since)s + (%(before)s::timestamptz - %(since)s::timestamptz) * place / %(count)s
    from generate_series(0, %(count)s - 1) as place
    join model on model.number = place %% (select count(*) from model)
"""


_UNDO_MESSAGES = """
    delete from messages
    where id in (
        select md5('new ' || %(cycle)s || ' ' || place)::uuid
        from generate_series(0, %(count)s - 1) as place
    )
"""
_UNDO_RECEIPTS = """
    delete from message_read_receipts where read_at = %(until)s - interval '1 second'
"""

# Long enough for a run of the bench within a day, and for its batches within the last hundred.
_USABLE_HOURS, _USABLE_BATCHES = 20, 60
_PUBLISHED_BEFORE = 4
# A feed is used from the first batch on that began after its installation.
_SETTLED_AFTER = 3


def measure_cycles(
    url: str, data_dir: Path, modes: Sequence[Mode], *, cycles: int, say: Say
) -> tuple[EtlRun, ...]:
    """Change the messenger at `url` and run a cycle, `cycles` times in each mode.

    Args:
        data_dir: of this messenger; the first run of the bench loads it.
        cycles: how many are measured in each mode.

    Raises:
        AnalyticsError: a cycle failed, or did not use its mode.
    """
    undo_changes(url)
    loaded_at = _loaded_at(data_dir)
    if loaded_at is None:
        shutil.rmtree(data_dir, ignore_errors=True)
        loaded_at = datetime.now(UTC)
        say(f"cycles: a first load took {etl_run(url, data_dir).seconds:.1f} s")
    messenger = _Messenger(url, data_dir, loaded_at.hour)
    feeds = [mode for mode in modes if mode is not Mode.SCAN]
    for feed in feeds:
        etl(url, data_dir, "source", "install", feed, "--apply")
    try:
        return tuple(messenger.measured(modes, cycles=cycles, say=say))
    finally:
        for feed in feeds:
            etl(url, data_dir, "source", "uninstall", feed, "--apply")


@dataclass(frozen=True, slots=True)
class _Messenger:
    """A messenger and its DATA_DIR.

    Attributes:
        hour: from this hour of the day on, every day is due that was not proved since.
    """

    url: str
    data_dir: Path
    hour: int

    def measured(self, modes: Sequence[Mode], *, cycles: int, say: Say) -> Iterator[EtlRun]:
        """Cycles in each mode, in turn."""
        numbers = count(1)
        last = modes[0]
        self._settle(last)
        for _ in range(min(cycles, _PUBLISHED_BEFORE)):
            make_changes(self.url, next(numbers))
            self._cycle(last)
        for number in range(1, cycles + 1):
            for mode in modes:
                if mode is not last:
                    self._settle(mode)
                last = mode
                changed = make_changes(self.url, next(numbers))
                found = self._cycle(mode)
                if found.mode is not mode:
                    raise AnalyticsError(
                        f"a cycle in {mode} mode was a {found.mode}",
                        hint=f"`python -m etl status` with DATA_DIR={self.data_dir} says why.",
                    )
                say(
                    f"{mode}, cycle {number} of {cycles}: {changed:,} changes, "
                    f"read {found.read_ms:,} ms, fold {found.fold_ms:,} ms, "
                    f"publish {found.publish_ms:,} ms, load {found.load_average}"
                )
                yield found

    def _settle(self, mode: Mode) -> None:
        """Run cycles until they use the mode; the first removes what `undo_changes` did.

        Raises:
            AnalyticsError: they do not.
        """
        for _ in range(_SETTLED_AFTER):
            if self._cycle(mode, must_publish=False, REPAIR_MAX_PERCENT="100").mode is mode:
                return
        raise AnalyticsError(
            f"{_SETTLED_AFTER} cycles in {mode} mode did not use it",
            hint=f"`python -m etl status` with DATA_DIR={self.data_dir} says why.",
        )

    def _cycle(self, mode: Mode, *, must_publish: bool = True, **settings: str) -> EtlRun:
        given = {
            "ETL_MODE": mode,
            # A service keeps three generations, and publishes every few minutes; these are younger.
            "GRACE_SECONDS": "0",
            "VERIFY_HOUR": str(self.hour),
            **settings,
        }
        return etl_run(self.url, self.data_dir, settings=given, must_publish=must_publish)


def _loaded_at(data_dir: Path) -> datetime | None:
    """When a DATA_DIR was loaded; None where its days will soon be due for a proof."""
    try:
        manifest = read_manifest(Layout(data_dir).lake_manifest)
    except LakeError:
        return None
    first, now = manifest.batches[0], datetime.now(UTC)
    is_usable = (
        first.batch == 1
        and manifest.last_batch.batch <= _USABLE_BATCHES
        and now - first.data_through < timedelta(hours=_USABLE_HOURS)
    )
    return first.data_through if is_usable else None


def undo_changes(url: str) -> int:
    """Remove the rows that `make_changes` added, and return their number; edits stay."""
    removed = 0
    with psycopg.connect(url, autocommit=True) as connection:
        removed += connection.execute(_UNDO_RECEIPTS.encode(), {"until": UNTIL}).rowcount
        for cycle in count(1):
            values = {"cycle": str(cycle), "count": CHANGES}
            found = connection.execute(_UNDO_MESSAGES.encode(), values).rowcount
            removed += found
            if not found:
                break
        if removed:
            connection.execute("vacuum messages, message_read_receipts")
    return removed


def make_changes(url: str, cycle: int) -> int:
    """Change `CHANGES` rows of the messenger and return their number.

    Args:
        cycle: another number changes other rows.
    """
    day = timedelta(days=1)
    changed = 0
    with psycopg.connect(url, autocommit=True) as connection:

        def apply(statement: str, count: int, first_day: int, days: int) -> int:
            """Run it on `count` messages of `days` days from `first_day` days before the end on."""
            since = UNTIL - first_day * day
            values = {
                "count": count,
                "since": since,
                "before": since + days * day,
                "until": UNTIL,
                "cycle": str(cycle),
            }
            return connection.execute(statement.encode(), values).rowcount

        for number in range(_OLD_DAYS):
            changed += apply(_EDIT, _OLD_PER_DAY, first_day=4 + 5 * number, days=1)
        changed += apply(_EDIT, _RECENT_OF_A_KIND, first_day=2, days=2)
        changed += apply(_READ, _RECENT_OF_A_KIND, first_day=2, days=2)
        changed += apply(_WRITE, CHANGES - changed, first_day=2, days=2)
    return changed
