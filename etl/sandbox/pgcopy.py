"""Encode Polars frames in PostgreSQL's binary COPY format, with numpy.

The server reads binary rows two to four times as fast as CSV (measured on these tables: 400,000
messages in 0.65 s against 1.75 s), because it parses no UUIDs, numbers or times.

A row is a 16-bit number of fields, followed by the fields: a 32-bit length (-1 for null) and that
many bytes, all big-endian. Fields are encoded column by column: the bytes of all values of a column
are concatenated and then scattered to their places in the rows.
Format: https://www.postgresql.org/docs/current/sql-copy.html (Binary Format).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from etl.sandbox.rng import Ints

Bytes = NDArray[np.uint8]

HEADER = b"PGCOPY\n\xff\r\n\x00" + bytes(8)  # signature, no flags, no extension
TRAILER = b"\xff\xff"

_EPOCH_2000 = 946_684_800_000_000  # PostgreSQL counts microseconds from 2000
_NIBBLES = np.zeros(256, np.uint8)
_NIBBLES[np.frombuffer(b"0123456789abcdef", np.uint8)] = np.arange(16)
_DIGITS = np.array([place for place in range(36) if place not in (8, 13, 18, 23)])  # of a UUID


@dataclass(frozen=True, slots=True)
class _Field:
    """One column: the length of each value (-1 for null) and the bytes of all values."""

    lengths: Ints
    payload: Bytes


def encode(rows: pl.DataFrame, types: Mapping[str, str]) -> bytes:
    """The rows, without header and trailer.

    Args:
        types: each column's PostgreSQL type, as `format_type` returns it.
    """
    fields = [_field(rows[name], _ENCODERS[types[name]]) for name in rows.columns]
    sizes = 2 + sum(4 + np.maximum(field.lengths, 0) for field in fields)
    ends = np.cumsum(sizes)
    out = np.empty(int(ends[-1]) if len(rows) else 0, np.uint8)
    position = ends - sizes
    _scatter(out, position, _big_endian(np.full(len(rows), len(fields)), ">i2"))
    position = position + 2
    for field in fields:
        _scatter(out, position, _big_endian(field.lengths, ">i4"))
        position = position + 4
        present = field.lengths >= 0
        lengths = field.lengths[present]
        source = np.cumsum(lengths) - lengths
        target = np.repeat(position[present] - source, lengths)
        target += np.arange(len(field.payload))
        out[target] = field.payload
        position = position + np.maximum(field.lengths, 0)
    return out.tobytes()


def _field(values: pl.Series, encoder: Callable[[pl.Series], tuple[Ints, Bytes]]) -> _Field:
    lengths = np.full(len(values), -1)
    present = values.is_not_null().to_numpy()
    lengths[present], payload = encoder(values.drop_nulls())
    return _Field(lengths, payload)


def _scatter(out: Bytes, position: Ints, values: Bytes) -> None:
    """Write a value of fixed width at each position."""
    out[position[:, None] + np.arange(values.shape[1])] = values


def _big_endian(values: Ints, kind: str) -> Bytes:
    """Numbers as rows of bytes."""
    return values.astype(kind).view(np.uint8).reshape(len(values), np.dtype(kind).itemsize)


def _fixed(values: Bytes) -> tuple[Ints, Bytes]:
    return np.full(len(values), values.shape[1]), values.ravel()


def _bigint(values: pl.Series) -> tuple[Ints, Bytes]:
    return _fixed(_big_endian(values.to_numpy(), ">i8"))


def _boolean(values: pl.Series) -> tuple[Ints, Bytes]:
    return _fixed(values.to_numpy().astype(np.uint8).reshape(-1, 1))


def _timestamp(values: pl.Series) -> tuple[Ints, Bytes]:
    since_1970 = values.to_physical().to_numpy()
    return _fixed(_big_endian(since_1970 - _EPOCH_2000, ">i8"))


def _uuid(values: pl.Series) -> tuple[Ints, Bytes]:
    _, spelled = _text(values)
    nibbles = _NIBBLES[spelled.reshape(-1, 36)[:, _DIGITS]]
    return _fixed((nibbles[:, 0::2] << 4 | nibbles[:, 1::2]).astype(np.uint8))


def _text(values: pl.Series) -> tuple[Ints, Bytes]:
    lengths = values.str.len_bytes().cast(pl.Int64).to_numpy()
    return lengths, np.frombuffer("".join(values.to_list()).encode(), np.uint8)


def _jsonb(values: pl.Series) -> tuple[Ints, Bytes]:
    return _text("\x01" + values)  # version of the binary format


_ENCODERS: dict[str, Callable[[pl.Series], tuple[Ints, Bytes]]] = {
    "bigint": _bigint,
    "boolean": _boolean,
    "jsonb": _jsonb,
    "text": _text,
    "timestamp with time zone": _timestamp,
    "uuid": _uuid,
}
