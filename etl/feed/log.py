"""Log mode: the keys of changed rows from a table that triggers write.

Statement triggers write the keys of changed rows, and the transaction's xid8, into
`analytics_feed.log`, in the transaction that changes them. What the batch's snapshot S sees of the
log is therefore what it sees of the tables. The log is read under S, from the xmin of the last
batch's snapshot on: what that one did not see was written by a transaction that had not ended.

Triggers can be switched off. While that is not yet visible to others, it locks out the writers of
the table. A write without triggers therefore follows S, or S sees in the catalog that they
are off. Their state is part of the recorded identity, by table: a table whose triggers are not
those of the last batch is scanned once.

A CREATE TRIGGER waits for the writers of its table to end, so a log is complete from the first
snapshot on that sees the triggers.

Rows are forgotten once no batch reads them again. The source notes up to which transaction, because
a DATA_DIR that is restored from a backup would miss them.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Any

from etl.feed.changes import Reading
from etl.feed.keys import Collected
from etl.feed.session import Session
from olap.errors import FeedError
from olap.manifest import FeedState, Mode

# How many rows one statement forgets, and how many statements there are at most after a batch.
FORGOTTEN_ROWS = 100_000
FORGETS_MAX = 20
# How many rows more there are with a key after an insert and after a delete of it.
_ROWS = {"I": 1, "D": -1}


def require_log(session: Session) -> None:
    """Stop where the log cannot be read.

    Raises:
        FeedError: it cannot; the message says why.
        SourceError: the source refuses or does not answer.
    """
    found = session.ask_one("log/state")
    if found["is_standby"]:
        reason = "the source is a standby, whose snapshots do not list what runs on its primary"
        raise FeedError(reason, hint=_HINT)
    if not found["is_installed"]:
        raise FeedError("the change log is not installed", hint=_HINT)
    if not found["is_readable"]:
        raise FeedError("the role may not read the change log", hint=_HINT)


def read_log(
    session: Session,
    source_names: Collection[str],
    snapshot: str,
    before: FeedState | None,
    seen_before: str | None,
    *,
    changes_max: int,
) -> Reading:
    """What changed since the last batch; or a scan, and why.

    Args:
        session: it sees what the batch's snapshot sees.
        source_names: the source tables, as the mapping's `reads` writes them.
        snapshot: the batch's.
        before: how far the last batch had read.
        seen_before: its snapshot; None = this is the first batch.
        changes_max: more than these are not read.

    Raises:
        SourceError: the source refuses or does not answer.
    """
    try:
        require_log(session)
    except FeedError as error:
        return Reading(mode=Mode.SCAN, reason=error.message)
    covered, uncovered = _covered(session, source_names)
    state = FeedState(
        mode=Mode.LOG,
        identity=json.dumps({row["source"]: row["identity"] for row in covered.values()}),
        ready_at=0,
        position=_xmin(snapshot),
    )
    if before is None or before.mode is not Mode.LOG or seen_before is None:
        return Reading(mode=Mode.SCAN, reason="the change log is new", state=state)
    forgotten = session.ask_one("log/forgotten")["before_xid"]
    if forgotten > _xmin(seen_before):
        reason = "the change log was shortened by somebody else"
        return Reading(mode=Mode.SCAN, reason=reason, state=state)
    known: dict[str, str] = json.loads(before.identity)
    for name, row in list(covered.items()):
        if known.get(row["source"]) != row["identity"]:
            uncovered[name] = "its triggers are new"
            del covered[name]
    if not covered:
        reason = next(iter(uncovered.values()), "the mapping reads nothing")
        return Reading(mode=Mode.SCAN, reason=f"no table is followed: {reason}", state=state)
    collected = {row["source"]: Collected(tuple(row["columns"])) for row in covered.values()}
    try:
        _collect(session, collected, seen_before, changes_max)
    except FeedError as error:
        return Reading(mode=Mode.SCAN, reason=error.message, state=state)
    return Reading(
        mode=Mode.LOG,
        changes={name: collected[row["source"]].table_changes() for name, row in covered.items()},
        uncovered=uncovered,
        state=state,
    )


def forget_log(session: Session, state: FeedState) -> None:
    """Remove the rows that no batch will read again.

    Raises:
        SourceError: the source refuses or does not answer.
    """
    if state.position is None:
        return
    for _ in range(FORGETS_MAX):
        session.set("transaction read write")
        row = session.ask_one("log/forget", str(state.position), str(FORGOTTEN_ROWS))
        session.commit()
        if row["removed_rows"] < FORGOTTEN_ROWS:
            break


def _xmin(snapshot: str) -> int:
    return int(snapshot.partition(":")[0])


def _covered(
    session: Session, source_names: Collection[str]
) -> tuple[dict[str, Mapping[str, Any]], dict[str, str]]:
    """What the log says of the source tables by their names, and why others are not covered."""
    logged = {row["source"]: row for row in session.ask("log_coverage")}
    full_names = session.ask("log/names", json.dumps(sorted(source_names)))
    uncovered = dict.fromkeys(source_names, "the source has no such table")
    covered: dict[str, Mapping[str, Any]] = {}
    for name, full_name in ((row["source_name"], row["full_name"]) for row in full_names):
        row = logged.get(full_name)
        reason = "it has no triggers of the log" if row is None else row["reason"]
        if row is None or reason is not None:
            uncovered[name] = reason
            continue
        del uncovered[name]
        covered[name] = row
    return covered, uncovered


def _collect(
    session: Session, collected: Mapping[str, Collected], seen_before: str, changes_max: int
) -> None:
    """Read the log since the last batch.

    Raises:
        FeedError: there are too many changes.
        SourceError: the source refuses or does not answer.
    """
    count = 0
    parameters = (str(_xmin(seen_before)), seen_before, str(changes_max))
    for rows in session.stream("log/changes", *parameters):
        count += len(rows)
        if count >= changes_max:
            raise FeedError(f"more than {changes_max:,} changes are in the log", hint=_HINT)
        for source, op, key, is_new in rows:
            table = collected.get(source)
            if table is None:
                continue
            if op == "T":
                table.is_truncated = True
                continue
            found = tuple(key)
            table.keys.add(found)
            if is_new and op in _ROWS:
                table.add(found, _ROWS[op])


_HINT = 'The batch is a scan; see "A cycle that costs what changed" in etl/README.md.'
