"""The content codings of answers: gzip for every client, zstd for those that ask for it.

zstd is shorter and takes half the time; Python has it since 3.14. pyarrow has it as well, but would
take 37 MB of memory in each worker.
"""

from __future__ import annotations

import gzip
import sys

from api.negotiation import Coding

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

# A shorter answer fits into one packet as it is.
LENGTH_MIN = 1024


def codings_of(body: bytes) -> dict[Coding, bytes]:
    """A body in each coding that makes it shorter, and as it is."""
    found = {Coding.IDENTITY: body}
    if len(body) > LENGTH_MIN:
        # Without the time of compression, so that the same body is the same bytes.
        found[Coding.GZIP] = gzip.compress(body, compresslevel=6, mtime=0)
        found[Coding.ZSTD] = zstd.compress(body)
    return {coding: coded for coding, coded in found.items() if len(coded) <= len(body)}
