"""Slot mode: the keys of changed rows from a logical replication slot.

The publication has the columns of the keys only, so no text enters the stream; the rows are looked
up under the batch's snapshot S. The slot and the snapshot must be cut at the same transaction, and
they do not know each other:

1. S is taken. Then U = the end of the log, so every commit that S sees is before U.
2. Transactions are decoded up to U. Their keys are all used: a row that is looked up in vain, or
   although it did not change, is harmless.
3. The position becomes A = the first commit among them that S does not see, else U. The next batch
   decodes from A, so it meets every transaction that S has not seen.

A log position that is taken *before* S would lose rows: a commit is in the log before it is
visible, and with synchronous replication long before.

The slot is advanced to A only after the batch is committed here. A crash before that lets the next
batch decode again what it need not.

Rows are counted by inserts minus deletes of the transactions that S sees and the last batch's
snapshot did not.

Where the slot begins: transactions whose commit precedes the slot are not decoded. All of them have
an id before `ready_at`, which is taken *after* the slot was made. A scan whose snapshot has no
older transaction open has seen them all; from its A on, the slot is complete.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from etl.feed.changes import Reading
from etl.feed.keys import Collected
from etl.feed.pgoutput import Decoder, Transaction
from etl.feed.session import Session
from etl.feed.visibility import Visibility
from olap.errors import FeedError, SourceError
from olap.log import get_logger
from olap.manifest import FeedState, Mode

log = get_logger(__name__)

# How long a cycle waits for a new slot.
CREATE_SECONDS_MAX = 20
_QUERY_CANCELED = "57014"
_FUNCTIONS = 3
# How much of the log one statement skips, so that each ends within the session's limit.
_SKIPPED_BYTES = 2**30
_SKIPS_MAX = 16

# The parts of a state's identity that the catalog tells, and what it means that one has changed.
_CHANGED = {
    "cluster": "the source is another cluster, or on another timeline",
    "publication": "the publication was changed",
    "functions": "the functions of the slot were changed",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotState:
    """The slot before the batch's snapshot.

    Attributes:
        state: how far it has been read; without a position where it starts over.
        reason: why it starts over, in words; None where it does not.
    """

    state: FeedState
    reason: str | None = None


def find_slot(session: Session, before: FeedState | None) -> SlotState:
    """The slot, before the batch's snapshot is taken; it is created where it is missing.

    Raises:
        FeedError: it cannot be used; the message says why.
        SourceError: the source refuses or does not answer.
    """
    found = session.ask_one("slot/state")
    _require_usable(found)
    reason = _gap(found, before)
    if found["slot_plugin"] is None or found["wal_status"] == "lost":
        _create(session)
        found = session.ask_one("slot/state")
    if reason is None and before is not None:
        return SlotState(state=before)
    return SlotState(state=_start(session, found), reason=reason)


def read_slot(
    session: Session,
    source_names: Collection[str],
    snapshot: str,
    slot: SlotState,
    seen_before: str | None,
    *,
    changes_max: int,
) -> Reading:
    """What changed since the last batch; or a scan, and why.

    Args:
        source_names: the source tables, as the mapping's `reads` writes them.
        snapshot: the batch's. It must have been taken before this is called.
        slot: what `find_slot` returned before the snapshot.
        seen_before: the snapshot of the last batch; None = this is the first.
        changes_max: more than these are not read.

    Raises:
        SourceError: the source refuses or does not answer.
    """
    until = _log_end_on_disk(session)
    if session.ask_one("slot/change_underway")["is_underway"]:
        return _scan("somebody is changing the publication", slot.state)
    found = session.ask_one("slot/state")
    try:
        _require_usable(found)
    except FeedError as error:
        return _scan(error.message, None)
    gap = _gap(found, slot.state)
    if gap is not None:
        return _scan(gap, None)
    if found["slot_user"] is not None:
        return _scan(f"the slot is in use by process {found['slot_user']}", slot.state)
    now, earlier = Visibility.of(snapshot), Visibility.of(seen_before or "0:0:")
    if slot.state.position is None and now.xmin < slot.state.ready_at:
        waits = "the slot waits until transactions that are older than it have ended"
        return _scan(slot.reason or waits, slot.state)
    tables, uncovered = _covered(session, source_names)
    cut = _Cut(tables, now, earlier)
    try:
        cut.take(_messages(session, until, changes_max))
    except SourceError as error:
        if not isinstance(error, FeedError) and error.sqlstate != _QUERY_CANCELED:
            raise
        return _scan(error.message, _skip(session, found, until))
    state = FeedState(
        mode=Mode.SLOT,
        identity=slot.state.identity,
        ready_at=slot.state.ready_at,
        position=until if cut.first_hidden is None else min(until, cut.first_hidden),
    )
    if slot.state.position is None:
        return _scan(slot.reason or "the slot is used from the next batch on", state)
    if not tables:
        return _scan("the publication has none of the mapping's tables", state)
    return Reading(
        mode=Mode.SLOT,
        changes={
            name: collected.table_changes()
            for oid, collected in cut.collected.items()
            if oid not in cut.unclear
            for name in tables[oid].names
        },
        uncovered=uncovered
        | {name: "its key changed" for oid in cut.unclear for name in tables[oid].names},
        state=state,
    )


def advance_slot(session: Session, state: FeedState) -> None:
    """Let the slot forget what has been read.

    Raises:
        SourceError: the source refuses or does not answer.
    """
    if state.position is not None:
        session.ask("slot/advance", str(state.position))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Table:
    """A source table that the publication covers: its names in the mapping, and its key."""

    names: tuple[str, ...]
    columns: tuple[str, ...]


class _Cut:
    """Collects the keys of a stream, and where the snapshot cuts it.

    Attributes:
        collected: what changed, by the table's oid.
        first_hidden: the LSN of the first commit that the snapshot does not see.
        unclear: oids of tables whose key in the stream is not that of the catalog.
    """

    def __init__(self, tables: Mapping[int, _Table], now: Visibility, earlier: Visibility) -> None:
        self.collected = {oid: Collected(table.columns) for oid, table in tables.items()}
        self.first_hidden: int | None = None
        self.unclear: set[int] = set()
        self._now = now
        self._earlier = earlier

    def take(self, messages: Iterator[bytes]) -> None:
        """Collect a whole stream.

        Raises:
            FeedError: it is not understood.
            SourceError: it ended early.
        """
        decoder = Decoder()
        for transaction in decoder.transactions(messages):
            self._take(transaction)
        for oid, collected in self.collected.items():
            relation = decoder.relations.get(oid)
            if oid in decoder.redefined or (relation and relation.key != collected.columns):
                self.unclear.add(oid)

    def _take(self, transaction: Transaction) -> None:
        xid = self._now.full_xid(transaction.xid)
        is_visible = self._now.sees(xid)
        if not is_visible and self.first_hidden is None:
            self.first_hidden = transaction.commit_lsn
        is_new = is_visible and not self._earlier.sees(xid)
        for oid, changes in transaction.relations.items():
            if (collected := self.collected.get(oid)) is not None:
                collected.keys |= changes.keys
                for key, rows in changes.net.items() if is_new else ():
                    collected.add(key, rows)
        for oid in transaction.truncated & self.collected.keys():
            self.collected[oid].is_truncated = True


def _require_usable(found: Mapping[str, Any]) -> None:
    """Stop where the slot cannot be used whatever was read before.

    Raises:
        FeedError: it cannot; the message is the reason of a scan.
    """
    reasons = {
        "the source is a standby, whose snapshots do not list what runs on its primary": found[
            "is_standby"
        ],
        "the slot is not installed": found["functions_found"] < _FUNCTIONS,
        "the role may not execute the functions of the slot": not found["may_execute"],
        f"wal_level of the source is {found['wal_level']}, not logical": found["wal_level"]
        != "logical",
        "there is no publication": found["publication"] is None,
        "the publication leaves out some kinds of changes": not found["publishes_all"],
        "the slot's name belongs to another slot": found["slot_plugin"] not in (None, "pgoutput")
        or found["is_of_this_database"] is False,
    }
    reason = next((reason for reason, applies in reasons.items() if applies), None)
    if reason is not None:
        raise FeedError(reason, hint=_HINT)


def _gap(found: Mapping[str, Any], state: FeedState | None) -> str | None:
    """Why the slot may lack changes since a state was recorded; None where it does not."""
    if state is None or state.mode is not Mode.SLOT:
        return "the slot is new"
    if found["slot_plugin"] is None:
        return "the slot was dropped"
    if found["wal_status"] == "lost" or found["invalidation_reason"] is not None:
        cause = found["invalidation_reason"] or "max_slot_wal_keep_size"
        return f"the source has given the slot up ({cause})"
    known = dict(part.split("=") for part in state.identity.split())
    for part, reason in _CHANGED.items():
        if known[part] != found[part]:
            return reason
    if found["confirmed"] > (state.position or int(known["from"])):
        return "the slot was created again, or advanced by somebody else"
    return None


def _create(session: Session) -> None:
    """Create the slot, which waits for the transactions that run.

    Raises:
        FeedError: they do not end, or the source refuses to create it.
        SourceError: the source does not answer.
    """
    session.set(f"local statement_timeout = {CREATE_SECONDS_MAX * 1000}")
    try:
        session.ask("slot/begin")
    except SourceError as error:
        reason = error.message
        if error.sqlstate == _QUERY_CANCELED:
            reason = f"transactions that are older did not end in {CREATE_SECONDS_MAX} s"
        elif not error.sqlstate:
            raise
        raise FeedError(f"the slot cannot be created: {reason}", hint=error.hint) from None


def _start(session: Session, found: Mapping[str, Any]) -> FeedState:
    """The state of a slot from which nothing has been read.

    The xid must be taken after the slot exists, or has been advanced: a transaction may be in the
    log before that place, and not visible yet.
    """
    parts = {part: found[part] for part in _CHANGED} | {"from": found["confirmed"]}
    return FeedState(
        mode=Mode.SLOT,
        identity=" ".join(f"{name}={value}" for name, value in parts.items()),
        ready_at=session.ask_one("fresh_xid")["fresh_xid"],
    )


def _skip(session: Session, found: Mapping[str, Any], until: int) -> FeedState | None:
    """Start the slot over behind a stream that cannot be read: the scan reads what it told."""
    reached = found["confirmed"]
    try:
        for _ in range(_SKIPS_MAX):
            if reached >= until:
                break
            reached = min(reached + _SKIPPED_BYTES, until)
            session.commit()
            session.ask("slot/advance", str(reached))
        session.commit()
        return _start(session, session.ask_one("slot/state"))
    except SourceError as error:
        log.warning("slot.not_skipped", reason=error.message)
        return None


def _log_end_on_disk(session: Session) -> int:
    """The end of the log, which is on disk up to there: decoding reads only that."""
    end = session.ask_one("slot/log_end")
    if end["flushed"] < end["inserted"]:
        session.commit()
        # A standby that is waited for may be gone, and its answer is not needed.
        session.set("local synchronous_commit = local")
        session.ask("slot/emit")
        session.commit()
    until: int = end["inserted"]
    return until


def _covered(
    session: Session, source_names: Collection[str]
) -> tuple[dict[int, _Table], dict[str, str]]:
    """The source tables that the publication covers by oid, and why others are not covered."""
    rows = session.ask("slot/coverage", json.dumps(sorted(source_names)))
    uncovered = dict.fromkeys(source_names, "the source has no such table")
    covered: dict[int, _Table] = {}
    for row in rows:
        name, oid = row["source_name"], row["relation_oid"]
        reason = _why_not_covered(row)
        if reason is not None:
            uncovered[name] = reason
            continue
        del uncovered[name]
        names = covered[oid].names if oid in covered else ()
        covered[oid] = _Table(names=(*names, name), columns=tuple(row["published_columns"]))
    return covered, uncovered


def _why_not_covered(row: Mapping[str, Any]) -> str | None:
    if not row["is_published"]:
        return "it is not in the publication"
    if row["has_children"]:
        return "it has child tables, whose rows the publication lacks"
    if row["is_filtered"]:
        return "the publication filters its rows"
    if row["other_identities"]:
        return f"these partitions have another replica identity: {row['other_identities']}"
    if row["replica_identity"] in ("f", "n"):
        return "its REPLICA IDENTITY is not its key, so PostgreSQL refuses to change its rows"
    if not row["identity_columns"] or row["published_columns"] != row["identity_columns"]:
        return "the publication has other columns than its key"
    return None


def _messages(session: Session, until: int, changes_max: int) -> Iterator[bytes]:
    """The messages of the slot's stream up to a place in the log.

    Raises:
        FeedError: there are too many.
        SourceError: the source refuses or does not answer.
    """
    count = 0
    for rows in session.stream("slot/changes", str(until), str(changes_max)):
        count += len(rows)
        if count >= changes_max:
            raise FeedError(f"more than {changes_max:,} changes are in the slot", hint=_HINT)
        yield from (row[0] for row in rows)


def _scan(reason: str, state: FeedState | None) -> Reading:
    return Reading(mode=Mode.SCAN, reason=reason, state=state)


_HINT = 'The batch is a scan; see "A cycle that costs what changed" in etl/README.md.'
