"""What a feed costs the source, for `status`: also where no cycle runs any more."""

from __future__ import annotations

from dataclasses import replace

from etl.feed.session import open_session
from olap.errors import SourceError
from olap.secret import Secret
from olap.settings import Settings
from olap.status import FeedCosts, LogCosts, SlotCosts

# `status` is called every few seconds; a source that does not answer at once is not waited for.
_SECONDS_MAX = 3


def feed_costs(settings: Settings, url: Secret) -> FeedCosts | None:
    """What feeds cost the source now; None where it does not answer."""
    try:
        with open_session(
            url, replace(settings, stall_seconds=_SECONDS_MAX), statement_seconds=_SECONDS_MAX
        ) as session:
            slots = session.ask("slot/retained")
            logs = session.ask("log/size")
    except SourceError:
        return None
    return FeedCosts(
        slot=SlotCosts(**slots[0]) if slots else None, log=LogCosts(**logs[0]) if logs else None
    )
