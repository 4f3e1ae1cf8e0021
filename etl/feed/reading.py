"""How a batch finds what changed: by the feed that the settings want, or by a scan, and why.

A feed never fails a cycle. Whatever is wrong with it, or unclear, makes the batch a scan, which
needs nothing but the watermark; the next batch uses the feed again where it can.
"""

from __future__ import annotations

from dataclasses import dataclass

from etl.feed.changes import Reading
from etl.feed.keys import CHANGES_MAX
from etl.feed.log import forget_log, read_log, require_log
from etl.feed.session import Session, open_session
from etl.feed.slot import SlotState, advance_slot, find_slot, read_slot
from etl.source import SourceTransaction
from olap.errors import FeedError, SourceError
from olap.log import get_logger
from olap.manifest import FeedState, Manifest, Mode
from olap.secret import Secret
from olap.settings import Settings

log = get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """The feed before the batch's snapshot.

    Attributes:
        mode: the feed to read; or a scan.
        reason: why none is read although one is wanted or installed, in words.
        state: to record if the batch is a scan.
        slot: the slot, if it is to be read.
    """

    mode: Mode
    reason: str | None = None
    state: FeedState | None = None
    slot: SlotState | None = None


def prepare(settings: Settings, url: Secret, before: Manifest | None) -> Prepared:
    """Choose the feed, before the source's transaction opens; a missing slot is created.

    Whatever fails here is the reason of a scan, and no error.
    """
    if settings.etl_mode == "scan":
        return Prepared(mode=Mode.SCAN)
    known = before.feed if before else None
    try:
        with open_session(url, settings) as session:
            modes = _modes(session, settings)
        refused: Prepared | None = None
        for mode in modes:
            found = _prepared(settings, url, mode, known)
            if found.mode is not Mode.SCAN:
                return found
            refused = refused or found
    except SourceError as error:
        return Prepared(mode=Mode.SCAN, reason=error.message, state=known)
    return refused or Prepared(mode=Mode.SCAN)


def read_feed(
    settings: Settings,
    url: Secret,
    prepared: Prepared,
    source: SourceTransaction,
    before: Manifest | None,
) -> Reading:
    """What changed since the last batch, as of the source's snapshot; or a scan, and why.

    Whatever fails here is the reason of a scan, and no error.

    Args:
        source: the batch's transaction; its snapshot was taken after `prepare`.
        before: the state after the last batch.
    """
    scan = Reading(mode=Mode.SCAN, reason=prepared.reason, state=prepared.state)
    if prepared.mode is Mode.SCAN:
        return scan
    names = {name for mapped in source.mapping.tables.values() for name in mapped.reads}
    snapshot = source.snapshot.text
    seen_before = before.last_batch.snapshot if before else None
    try:
        if prepared.slot is not None:
            with open_session(url, settings) as session:
                return read_slot(
                    session, names, snapshot, prepared.slot, seen_before, changes_max=CHANGES_MAX
                )
        known, exported = before.feed if before else None, source.export_snapshot()
        with open_session(url, settings, snapshot_name=exported) as session:
            return read_log(session, names, snapshot, known, seen_before, changes_max=CHANGES_MAX)
    except SourceError as error:
        return Reading(mode=Mode.SCAN, reason=error.message, state=prepared.state)


def advance(settings: Settings, url: Secret, state: FeedState | None) -> None:
    """Let the feed forget what is committed here; a failure is logged, and the next batch does it.

    Args:
        state: as it was recorded with the batch.
    """
    if state is None or state.position is None:
        return
    try:
        with open_session(url, settings) as session:
            if state.mode is Mode.SLOT:
                advance_slot(session, state)
            else:
                forget_log(session, state)
    except SourceError as error:
        log.warning("feed.not_advanced", mode=state.mode, reason=error.message, hint=error.hint)


def _modes(session: Session, settings: Settings) -> tuple[Mode, ...]:
    """The feeds to try, in order."""
    if settings.etl_mode != "auto":
        return (Mode(settings.etl_mode),)
    found = session.ask_one("installed")
    return tuple(mode for mode in (Mode.SLOT, Mode.LOG) if found[mode.value])


def _prepared(settings: Settings, url: Secret, mode: Mode, known: FeedState | None) -> Prepared:
    """One feed, if it can be read.

    Raises:
        SourceError: the source cannot be reached.
    """
    kept = known if known is not None and known.mode is mode else None
    try:
        with open_session(url, settings) as session:
            if mode is Mode.SLOT:
                slot = find_slot(session, kept)
                return Prepared(mode=mode, state=slot.state, slot=slot)
            require_log(session)
            return Prepared(mode=mode, state=kept)
    except FeedError as error:
        return Prepared(mode=Mode.SCAN, reason=error.message)
    except SourceError as error:
        return Prepared(mode=Mode.SCAN, reason=error.message, state=kept)
