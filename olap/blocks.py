"""Two files compared byte for byte, and made equal, in ranges that are the blocks of DuckDB.

The first eight bytes of a block are its checksum, but equal checksums do not tell that two blocks
are equal: it is the XOR of all words times a constant, so two equal words that change together,
such as two counters of a row, leave it as it was. The bytes do tell, and they also show a block
that was damaged. Two files of 3.6 GB that the kernel has in memory take half a second of processor
time.

Reading, and not mapping: an error of the disk is an exception then, and not a SIGBUS.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

# DuckDB's main header and its two database headers, then blocks of the default size. Files with
# blocks of another size would be compared as exactly, and more of them copied.
HEAD_BYTES = 3 * 4096
BLOCK_BYTES = 256 * 1024
_THREADS = 2


class Range(NamedTuple):
    """A range of a file, in bytes."""

    offset: int
    length: int


def differing(source: int, target: int) -> list[Range]:
    """The ranges in which two open files differ, in order; a longer target differs at its end.

    Args:
        source, target: descriptors; nobody writes to the files meanwhile.
    """
    size, target_size = os.fstat(source).st_size, os.fstat(target).st_size
    ranges = _ranges(size)
    share = -(-len(ranges) // _THREADS)
    shares = [ranges[start : start + share] for start in range(0, len(ranges), share or 1)]
    with ThreadPoolExecutor(_THREADS) as pool:
        parts = pool.map(lambda part: list(_differing(source, target, part)), shares)
        found = [one for part in parts for one in part]
    surplus = [Range(size, target_size - size)] if target_size > size else []
    return found + surplus


def make_equal(source: int, target: int) -> int:
    """Copy the ranges in which `target` differs from `source`; return the bytes written.

    Raises:
        OSError: a file cannot be read or written; the target is then neither of the two.
    """
    os.ftruncate(target, os.fstat(source).st_size)
    ranges = differing(source, target)
    for one in ranges:
        content = os.pread(source, one.length, one.offset)
        if len(content) != one.length:
            raise OSError(errno.EIO, "the file became shorter while it was copied")
        _write(target, content, one.offset)
    return sum(one.length for one in ranges)


def _ranges(size: int) -> list[Range]:
    """The headers and the blocks of a file of this size."""
    starts = [0, *range(HEAD_BYTES, size, BLOCK_BYTES)] if size else []
    return [
        Range(start, end - start) for start, end in zip(starts, [*starts[1:], size], strict=True)
    ]


def _differing(source: int, target: int, ranges: Sequence[Range]) -> Iterator[Range]:
    # The buffers are used again: allocating one for each range takes longer than reading it.
    ours, theirs = bytearray(), bytearray()
    for one in ranges:
        if len(ours) != one.length:
            ours, theirs = bytearray(one.length), bytearray(one.length)
        read = os.preadv(source, [ours], one.offset), os.preadv(target, [theirs], one.offset)
        if read != (one.length, one.length) or ours != theirs:
            yield one


def _write(target: int, content: bytes, offset: int) -> None:
    rest = memoryview(content)
    while rest:
        written = os.pwrite(target, rest, offset)
        rest, offset = rest[written:], offset + written
