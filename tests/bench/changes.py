"""A cycle that finds 10,000 changed rows: 9,900 in the last two days, 100 in 20 older ones.

A third of the recent changes are edits, a third are receipts of unread messages, the rest are
new messages; a messenger too small for that many edits and receipts gets more new messages
instead. The old changes are edits, five on each of 20 days. A digest of the row's id and the number
of the cycle chooses the rows, so each run changes the same ones. Deleted messages stay unchanged,
as in a messenger.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import psycopg

from tests.bench.etl_run import EtlRun, etl_run
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


def measure_cycles(url: str, data_dir: Path, *, cycles: int, say: Say) -> tuple[EtlRun, ...]:
    """Load the messenger at `url` into `data_dir`; then change it and run a cycle, `cycles` times.

    Raises:
        AnalyticsError: the load or a cycle failed.
    """
    shutil.rmtree(data_dir, ignore_errors=True)
    say(f"cycles: a first load took {etl_run(url, data_dir).seconds:.1f} s")
    return tuple(_measured(url, data_dir, cycles=cycles, say=say))


def _measured(url: str, data_dir: Path, *, cycles: int, say: Say) -> Iterator[EtlRun]:
    for cycle in range(1, cycles + 1):
        changed = make_changes(url, cycle)
        found = etl_run(url, data_dir)
        say(
            f"cycle {cycle} of {cycles}: {changed:,} changes, "
            f"read {found.read_ms:,} ms, fold {found.fold_ms:,} ms, publish {found.publish_ms:,} ms"
        )
        yield found


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
