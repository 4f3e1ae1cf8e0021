"""Compression: what a client accepts decides, each coding is its own answer, and is made once."""

from __future__ import annotations

import gzip
import hashlib
import sys
from collections.abc import Callable
from typing import Any, cast

import pytest
import redis
from litestar.types import Scope

from api import cache, negotiation
from api.app import PREFIX
from api.cache import Entry, Memory
from api.compression import LENGTH_MIN, codings_of
from api.negotiation import Coding, read_headers
from api.schemas import Format
from olap.secret import Secret
from tests.api.fix_api import Api, wait_for_key
from tests.fix_pipeline import Pipeline

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

OPEN: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    "gzip": gzip.decompress,
    "zstd": zstd.decompress,
}


def ask(api: Api, path: str, **headers: str) -> tuple[Any, bytes]:
    """The answer to an administrator, and its bytes as they go over the wire."""
    own = {"Authorization": f"Bearer {api.admin().token}", **headers}
    with api.client.stream("GET", PREFIX + path, headers=own) as answer:
        return answer, b"".join(answer.iter_raw())


@pytest.mark.parametrize(
    ("accept_encoding", "coding"),
    [
        ("gzip", "gzip"),
        ("gzip, deflate, br, zstd", "zstd"),
        ("zstd;q=0.5, gzip;q=0.8", "gzip"),
        ("x-gzip", "gzip"),
        ("GZIP", "gzip"),
        ("*", "gzip"),
        ("gzip;q=0, *", ""),
        ("gzip;q=0", ""),
        ("gzip; q=0.5, identity; q=0.9", ""),
        ("identity;q=0, gzip", "gzip"),
        ("br, deflate", ""),
        ("gzip;q=nan, zstd;q=x", ""),
        ("identity", ""),
        ("", ""),
    ],
)
def test_the_client_chooses_the_coding(small_api: Api, accept_encoding: str, coding: str) -> None:
    """The coding with the highest weight is used, zstd only if it is named, plain bytes otherwise;
    the content is the same, also from the fast path."""
    plain = ask(small_api, "/timeline?interval=hourly", **{"Accept-Encoding": "identity"})[1]
    for _ in range(2):
        answer, body = ask(
            small_api, "/timeline?interval=hourly", **{"Accept-Encoding": accept_encoding}
        )
        assert answer.headers.get("content-encoding", "") == coding
        assert answer.headers["content-length"] == str(len(body))
        assert "Accept-Encoding" in answer.headers["vary"].split(", ")
        assert OPEN[coding](body) == plain
        assert len(body) < len(plain) / 4 or coding == ""


def test_each_coding_has_its_own_tag(small_api: Api) -> None:
    """The tags of codings differ; 304 is returned for the tag of the coding that would be sent, and
    for no other."""
    path = "/timeline?interval=hourly"
    codings = ("gzip", "zstd", "identity")
    tags = {
        one: ask(small_api, path, **{"Accept-Encoding": one})[0].headers["etag"] for one in codings
    }
    assert len(set(tags.values())) == 3
    for one in codings:
        for other in codings:
            answer, body = ask(
                small_api, path, **{"Accept-Encoding": one, "If-None-Match": tags[other]}
            )
            assert (answer.status_code == 304) is (one == other), (one, other)
            assert answer.headers["etag"] == tags[one]
            assert "Accept-Encoding" in answer.headers["vary"]
            if answer.status_code == 304:
                assert body == b"" and "content-encoding" not in answer.headers
        weak = {"Accept-Encoding": one, "If-None-Match": f'"x", W/{tags[one]}'}
        assert ask(small_api, path, **weak)[0].status_code == 304


def test_an_answer_is_compressed_once(
    small_site: Pipeline, new_api: Callable[..., Api], monkeypatch: pytest.MonkeyPatch
) -> None:
    """However often it is sent, and in whatever coding, an answer is compressed when it is made."""
    compressed: list[int] = []

    def counted(body: bytes) -> dict[Coding, bytes]:
        compressed.append(len(body))
        return codings_of(body)

    api = new_api(small_site)
    ask(api, "/messages")  # the answers of the warm-up are made by now
    monkeypatch.setattr(cache, "codings_of", counted)
    for coding in ("gzip", "zstd", "identity") * 3:
        answer, _ = ask(api, "/timeline?interval=hourly&days=9", **{"Accept-Encoding": coding})
        assert answer.status_code == 200
    assert len(compressed) == 1


def test_a_short_answer_is_not_compressed(small_api: Api) -> None:
    """Up to one kilobyte, and for errors, the bytes are sent as they are."""
    for path in ("/engagement", "/user/999999"):
        answer, body = ask(small_api, path, **{"Accept-Encoding": "zstd, gzip"})
        assert "content-encoding" not in answer.headers
        assert 0 < len(body) < LENGTH_MIN
        assert body.startswith(b"{")


def test_a_coding_that_is_not_shorter_is_not_kept() -> None:
    """Bytes that do not compress stay as they are."""
    assert set(codings_of(b"x" * 2000)) == set(Coding)
    noise = hashlib.shake_256(b"noise").digest(2000)
    assert codings_of(noise) == {Coding.IDENTITY: noise}


def test_memory_counts_the_bytes_of_all_codings() -> None:
    """The limit of the memory includes compressed bodies."""
    entry = Entry.of("k", 200, "application/json", b"x" * 5000)
    assert entry.size > 5000
    memory = Memory(entry.size + 1001 + len("kk"))
    memory.put("k", entry)
    assert memory.get("k") is entry
    memory.put("l", entry)
    assert memory.get("k") is None and memory.get("l") is entry
    too_small = Memory(5000 + 1001)  # enough for the plain bytes alone
    too_small.put("k", entry)
    assert too_small.get("k") is None


def test_redis_has_the_plain_bytes(
    small_site: Pipeline, new_api: Callable[..., Api], valkey_url: str
) -> None:
    """An answer is stored once, without a coding; another process compresses it for itself."""
    path, url = "/timeline?interval=hourly&days=11", Secret(valkey_url)
    plain = ask(new_api(small_site, redis_url=url), path, **{"Accept-Encoding": "identity"})[1]
    with redis.Redis.from_url(valkey_url) as client:
        stored = client.get(wait_for_key(client, "*:timeline:*:11d~*"))
        assert isinstance(stored, bytes) and stored.endswith(plain)
    answer, body = ask(new_api(small_site, redis_url=url), path, **{"Accept-Encoding": "zstd"})
    assert answer.headers["x-cache"] == "hit"
    assert answer.headers["content-encoding"] == "zstd" and zstd.decompress(body) == plain


def with_accept(value: bytes) -> Scope:
    """A request with this header."""
    return cast("Scope", {"headers": [(b"accept", value)]})


def test_headers_of_strangers_are_remembered_within_bounds() -> None:
    """What a header means is kept for a number of short headers, and for no long one."""
    for number in range(1000):
        accept = b"text/csv;q=0.%d;x=%b" % (number + 1, b"a" * (number % 2 * 300))
        found, known = read_headers(with_accept(accept))
        assert (found.format, found.coding, known) == (Format.CSV, Coding.IDENTITY, b"")
    assert negotiation._kept.cache_info().currsize <= 256
    before = negotiation._kept.cache_info().misses
    read_headers(with_accept(b"*/*;x=" + b"a" * 300))
    assert negotiation._kept.cache_info().misses == before
