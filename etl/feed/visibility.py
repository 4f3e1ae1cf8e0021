"""Visibility: whether a snapshot sees a transaction.

A snapshot is `xmin:xmax:xip_list` in 64 bits: it sees what ended before `xmin`, and what is below
`xmax` and not listed. The log has the low 32 bits of a transaction's id; the epoch is that which
brings it within 2^31 of the snapshot's `xmax`, because PostgreSQL never has older and newer ids
than that at once.
"""

from __future__ import annotations

from dataclasses import dataclass

_CIRCLE = 2**32


@dataclass(frozen=True, slots=True)
class Visibility:
    """What a snapshot sees.

    Attributes:
        xmin, xmax: as xid8.
        running: the listed transactions, which had not ended.
    """

    xmin: int
    xmax: int
    running: frozenset[int]

    @classmethod
    def of(cls, snapshot: str) -> Visibility:
        """What the snapshot sees that `pg_current_snapshot()` returned as this text."""
        xmin, xmax, running = snapshot.split(":")
        return cls(int(xmin), int(xmax), frozenset(map(int, filter(None, running.split(",")))))

    def full_xid(self, xid: int) -> int:
        """The xid8 of a transaction that is about as old as the snapshot, from its 32 bits."""
        behind = (self.xmax - xid) % _CIRCLE
        return self.xmax - (behind if behind <= _CIRCLE // 2 else behind - _CIRCLE)

    def sees(self, xid: int) -> bool:
        """Whether the snapshot sees this xid8, given that it was committed."""
        return xid < self.xmin or (xid < self.xmax and xid not in self.running)
