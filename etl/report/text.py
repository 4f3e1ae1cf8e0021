"""Tables, times and sizes as text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from olap.manifest import Proof


def columns(rows: Iterable[tuple[str, ...]], *, are_words: bool = False) -> list[str]:
    """Rows as aligned text: words, or everything, to the left, and numbers to the right."""
    table = list(rows)
    columns = list(zip(*table, strict=True))
    widths = [max(map(len, column)) for column in columns]
    to_the_left = [are_words or column[-1][:1].isalpha() for column in columns]
    return [
        "  ".join(
            cell.ljust(width) if is_word else cell.rjust(width)
            for cell, width, is_word in zip(row, widths, to_the_left, strict=True)
        ).rstrip()
        for row in table
    ]


def instant_text(instant: datetime | None) -> str:
    return f"{instant:%Y-%m-%d %H:%M:%S} UTC" if instant else "never"


def size_text(size: int) -> str:
    return f"{size / 1e9:,.1f} GB" if size >= 1e9 else f"{size / 1e6:,.1f} MB"


def time_spent(steps_ms: Mapping[str, int]) -> str:
    return f"Time: {sum(steps_ms.values()) / 1000:,.1f} s."


def duration(seconds: float) -> str:
    """A time to wait, in the unit that people would use."""
    if seconds < 100:
        return f"{max(1, round(seconds))} s"
    return f"{seconds / 60:,.0f} minutes" if seconds < 6000 else f"{seconds / 3600:,.1f} hours"


def number(count: int, thing: str) -> str:
    return f"{count or 'no'} {thing}{'' if count == 1 else 's'}"


def proved_since(proof: Proof) -> str:
    if not proof.files:
        return ""
    return f"{proof.proved_at:%Y-%m-%d %H:%M}" if proof.proved_at else "not yet"
