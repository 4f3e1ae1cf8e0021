"""What a request accepts, by its headers: the format of an answer, and its content coding.

RFC 9110, sections 12.4.2 (weights), 12.5.1 (`Accept`), 12.5.3 (`Accept-Encoding`) and 13.1.2
(`If-None-Match`). A request that accepts neither JSON nor CSV gets JSON, and one that accepts no
coding gets plain bytes, as the RFC allows: an answer is more useful than a refusal.
"""

from __future__ import annotations

from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple

from litestar.types import Scope

from api.schemas import Format

# The headers of a client are the same in each of its requests. Longer ones are parsed each time, so
# that the memory for what strangers send stays below 256 x 256 bytes.
_KEPT_HEADERS_MAX = 256
_KEPT_LENGTH_MAX = 256


class Coding(StrEnum):
    """The content coding of an answer."""

    IDENTITY = "identity"
    GZIP = "gzip"
    ZSTD = "zstd"


class Accepted(NamedTuple):
    """What a request accepts.

    Attributes:
        format: of the answer, unless a parameter says otherwise.
        coding: of the answer, if it is long enough.
    """

    format: Format
    coding: Coding


def read_headers(scope: Scope) -> tuple[Accepted, bytes]:
    """What a request accepts, and its `If-None-Match`, which is empty without one."""
    accept = encoding = known = b""
    for name, value in scope["headers"]:
        if name == b"accept":
            accept = b"%b,%b" % (accept, value) if accept else value
        elif name == b"accept-encoding":
            encoding = b"%b,%b" % (encoding, value) if encoding else value
        elif name == b"if-none-match":
            known = b"%b,%b" % (known, value) if known else value
    is_short = len(accept) + len(encoding) <= _KEPT_LENGTH_MAX
    return (_kept if is_short else accepted)(accept, encoding), known


def accepted(accept: bytes, accept_encoding: bytes) -> Accepted:
    """What these headers mean."""
    return Accepted(format_of(accept), coding_of(accept_encoding))


_kept = lru_cache(_KEPT_HEADERS_MAX)(accepted)


def format_of(accept: bytes) -> Format:
    """The format that this `Accept` prefers; JSON unless it prefers CSV."""
    weights = _weights(accept)
    prefers_csv = _of_type(weights, "text/csv") > _of_type(weights, "application/json")
    return Format.CSV if prefers_csv else Format.JSON


def _of_type(weights: dict[str, float], media_type: str) -> float:
    """The weight of a media type: the most specific range that matches it has precedence."""
    kind = media_type.partition("/")[0]
    ranges = (media_type, f"{kind}/*", "*/*")
    return next((weights[one] for one in ranges if one in weights), 0.0)


def coding_of(accept_encoding: bytes) -> Coding:
    """The coding that this `Accept-Encoding` prefers; zstd before gzip where it has no preference.

    `*` means gzip, which every client knows: zstd is for those that name it.
    """
    weights = _weights(accept_encoding)
    gzip = weights.get("gzip", weights.get("x-gzip", weights.get("*", 0.0)))
    best, coding = max((weights.get("zstd", 0.0), Coding.ZSTD), (gzip, Coding.GZIP), key=_first)
    return coding if best > 0 and best >= weights.get("identity", 0.0) else Coding.IDENTITY


def is_known(tag: bytes, known: bytes) -> bool:
    """Whether `If-None-Match` names the representation of this tag; a weak one matches as well."""
    tags = {one.strip().removeprefix(b"W/") for one in known.split(b",")}
    return tag in tags or b"*" in tags


def _first(pair: tuple[float, Coding]) -> float:
    return pair[0]


def _weights(header: bytes) -> dict[str, float]:
    """The elements of a header by their names, in lower case, with their weights.

    An element whose weight cannot be read is left out.
    """
    weights = {}
    for element in header.decode("latin-1").lower().split(","):
        name, *parameters = (part.strip() for part in element.split(";"))
        weight = next((one[2:] for one in parameters if one.startswith("q=")), "1")
        try:
            weights[name] = float(weight)
        except ValueError:
            continue
    return weights
