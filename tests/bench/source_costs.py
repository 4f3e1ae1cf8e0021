"""What a feed costs the messenger: processor time and WAL of its own statements.

The same statements run on the same messenger without a feed, with a slot and with the change log,
one after the other, so that a busy minute of the machine affects all three. The processor time is
that of the server process that executes the statements, as the kernel counts it; what decodes the
WAL later is the session of the cycle. Without a feed `wal_level` is `logical` too.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import psycopg

from etl.feed.install import apply, install_script, read_site, uninstall_script
from olap.manifest import Mode
from olap.mapping import read_mapping
from olap.secret import Secret
from tests.bench.source import Say

_SINGLE_MAX, _BULK_OF_SINGLE = 4_000, 25
_ROLE = "postgres"
_INSERT = """
    insert into messages (id, conversation_id, sender_id, message_type, content, created_at)
    select
        gen_random_uuid(), gen_random_uuid(), number %% 1000, 'text',
        'A text of some forty characters, like most', now()
    from generate_series(1, %(count)s) as number
"""
_EDIT = """
    update messages set content = content || '!', updated_at = now() where id = %(id)s
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceCost:
    """One kind of statement in one mode; one entry per round, in order.

    Attributes:
        mode: scan = nothing is installed.
        processor_seconds: of the server process that executed them.
        wal_bytes: written meanwhile.
    """

    about: str
    mode: Mode
    processor_seconds: tuple[float, ...]
    wal_bytes: tuple[int, ...]


def measure_source_costs(
    url: str, *, messages: int, rounds: int, say: Say
) -> tuple[SourceCost, ...]:
    """Run each kind of statement `rounds` times in each mode, on the messenger at `url`.

    Args:
        messages: of the messenger; a small one is given fewer statements.

    Raises:
        AnalyticsError: a feed cannot be installed.
    """
    single = min(_SINGLE_MAX, messages // 5)
    found: dict[tuple[str, Mode], list[tuple[float, int]]] = {}
    for number in range(1, rounds + 1):
        for mode in Mode:
            for about, seconds, wal in _round(url, mode, single):
                found.setdefault((about, mode), []).append((seconds, wal))
        say(f"cost at the source: round {number} of {rounds}")
    return tuple(
        SourceCost(
            about=about,
            mode=mode,
            processor_seconds=tuple(seconds for seconds, _ in times),
            wal_bytes=tuple(wal for _, wal in times),
        )
        for (about, mode), times in found.items()
    )


def beside_nothing(costs: Sequence[SourceCost], cost: SourceCost) -> float:
    """The median processor time as a multiple of that without a feed."""
    (alone,) = (c for c in costs if (c.about, c.mode) == (cost.about, Mode.SCAN))
    return median(cost.processor_seconds) / median(alone.processor_seconds)


def _round(url: str, mode: Mode, single: int) -> Iterator[tuple[str, float, int]]:
    secret, mapping = Secret(url), read_mapping("messenger")
    if mode is not Mode.SCAN:
        site = read_site(secret, mode, mapping)
        apply(secret, install_script(mode, mapping, site, etl_role=_ROLE))
    try:
        with psycopg.connect(url, autocommit=True) as connection:
            if mode is Mode.SLOT:
                connection.execute("select analytics_feed.begin()")
            yield from _measured(connection, single)
            connection.execute("delete from messages where created_at > now() - interval '1 hour'")
    finally:
        if mode is not Mode.SCAN:
            apply(secret, uninstall_script(mode, read_site(secret, mode, mapping)))
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("vacuum messages")
            connection.execute("checkpoint")


def _measured(connection: psycopg.Connection, single: int) -> Iterator[tuple[str, float, int]]:
    query = "select id from messages order by id limit %s"
    ids = [key for (key,) in connection.execute(query, [single])]
    before = _cost(connection)
    for _ in range(single):
        connection.execute(_INSERT, {"count": 1})
    yield f"{single:,} messages, a transaction each", *_since(connection, before)
    before = _cost(connection)
    for key in ids:
        connection.execute(_EDIT, {"id": key})
    yield f"{single:,} edits, a transaction each", *_since(connection, before)
    before = _cost(connection)
    bulk = single * _BULK_OF_SINGLE
    connection.execute(_INSERT, {"count": bulk})
    yield f"{bulk:,} messages in one statement", *_since(connection, before)


def _cost(connection: psycopg.Connection) -> tuple[float, int]:
    """Processor seconds of the server process so far, and the position of the WAL."""
    found = connection.execute(
        "select pg_backend_pid(), (pg_current_wal_insert_lsn() - '0/0')::bigint"
    ).fetchone()
    assert found is not None
    nanoseconds = Path(f"/proc/{found[0]}/schedstat").read_text().split()[0]
    return int(nanoseconds) / 1e9, found[1]


def _since(connection: psycopg.Connection, before: tuple[float, int]) -> tuple[float, int]:
    seconds, wal = _cost(connection)
    return seconds - before[0], wal - before[1]
