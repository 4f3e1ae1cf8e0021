"""Reproducible random values: every draw belongs to a named stream of a seed.

A stream is identified by its purpose and its day, so one day's traffic does not depend on how
many values another day or another table has drawn. The purpose is part of the data: renaming
one changes what a seed generates. Times are int64 microseconds since 1970 (UTC); `NEVER` means
"has not happened".
"""

from __future__ import annotations

import zlib
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
NEVER = 2**63 - 1

TIME = pl.Datetime("us", "UTC")

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_HEX = np.frombuffer(b"".join(b"%02x" % byte for byte in range(256)), np.uint8).reshape(256, 2)
_GROUPS = ((0, 8), (8, 12), (12, 16), (16, 20), (20, 32))  # of a UUID's 32 hex digits


def random_stream(seed: int, purpose: str, day: int = 0) -> np.random.Generator:
    """The random generator of one purpose on one day."""
    return np.random.default_rng([seed, zlib.crc32(purpose.encode()), day])


def microseconds(moment: datetime) -> int:
    """An aware datetime as microseconds since 1970, exactly."""
    return (moment - _EPOCH) // timedelta(microseconds=1)


def timestamps(values: Ints) -> pl.Series:
    """Microseconds as UTC timestamps; `NEVER` becomes null."""
    return pl.Series(values).replace(NEVER, None).cast(TIME)


def random_delays(rng: np.random.Generator, mean: float, count: int) -> Ints:
    """Exponentially distributed delays in microseconds, at least 1."""
    return rng.exponential(mean, count).astype(np.int64) + 1


def random_uuids(rng: np.random.Generator, count: int) -> pl.Series:
    """Random version-4 UUIDs as strings."""
    raw = rng.integers(0, 256, (count, 16), dtype=np.uint8)
    raw[:, 6] = raw[:, 6] & 0x0F | 0x40
    raw[:, 8] = raw[:, 8] & 0x3F | 0x80
    digits = _HEX[raw].reshape(count, 32)
    text = np.full((count, 36), ord("-"), np.uint8)
    for dashes, (start, stop) in enumerate(_GROUPS):
        text[:, start + dashes : stop + dashes] = digits[:, start:stop]
    return pl.Series(text.view("S36").ravel().tolist(), dtype=pl.Binary).cast(pl.String)
