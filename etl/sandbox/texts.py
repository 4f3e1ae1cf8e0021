"""Text generator: names, titles and a pool of message texts.

The analytics read only the length of a text in characters, so texts are generated once per seed
and then picked from a pool. The pool contains what makes counting characters hard: scripts of two
to four bytes a character, emoji of several code points, empty strings, and everything that CSV
must escape.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from etl.sandbox.rng import random_stream

_NAMES = """
alice bob carol dave erin frank grace heidi ivan judy mallory niaj olivia peggy rupert sybil
trent victor walter zoë françois jürgen søren łukasz ağa nguyễn мария дмитрий ελένη שרה محمد
田中 小林 王芳 지민 प्रिया สมชาย 𓃠𓆏
"""
_WORDS = """
ok thanks see you tomorrow maybe later the meeting is at noon please send me that file again I
think we should ship it today haha really why not sure, sounds good! did anyone look at this?
lunch soon… "quoted" it's a\\b 100% done; a,b,c café naïve straße größer привет спасибо
καλημέρα שלום مرحبا 你好 谢谢 ありがとう 안녕하세요 नमस्ते 👍 😂 🎉 ❤️ 👩\u200d👩\u200d👧 🇨🇭
e\u0301te\u0301 𓃠𓆏
"""
_SUBJECTS = "Design Sales Berlin Weekend Football Réunion Support Öffentlich 研究 Café Ops"
_FILES = ("report.pdf", "budget 2024.xlsx", "photo.heic", "übersicht.docx", "日程.ics", "a.zip")
_NOTICES = ("joined the group", "left the group", "changed the title", "pinned a message")
_STICKERS = ("👍", "🎉", "😂", "🐈\u200d⬛")

_TEXTS = 4096
_CAPTIONS = 64
_MAX_LENGTH = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageTexts:
    """All message contents in one column, and the range of it that each message type uses."""

    pool: pl.Series
    texts: range
    captions: range
    files: range
    notices: range
    stickers: range


def message_texts(seed: int) -> MessageTexts:
    """The message contents of a seed; lengths are log-normal around 35 characters."""
    rng = random_stream(seed, "phrases")
    words = _WORDS.split()
    lengths = rng.lognormal(np.log(35), 1.0, _TEXTS + _CAPTIONS).clip(1, _MAX_LENGTH).astype(int)
    generated = [_text(rng, words, int(length)) for length in lengths]
    generated[0] = ""
    generated[1] = "two lines\nand a\ttab"
    ranges, pool = [], list[str]()
    for part in (generated[:_TEXTS], generated[_TEXTS:], _FILES, _NOTICES, _STICKERS):
        ranges.append(range(len(pool), len(pool) + len(part)))
        pool.extend(part)
    texts, captions, files, notices, stickers = ranges
    return MessageTexts(
        pool=pl.Series(pool, dtype=pl.String),
        texts=texts,
        captions=captions,
        files=files,
        notices=notices,
        stickers=stickers,
    )


def usernames(rng: np.random.Generator, count: int) -> list[str]:
    """Distinct user names in many scripts."""
    return _numbered(rng, _NAMES.split(), "{}{}", count)


def titles(rng: np.random.Generator, count: int) -> list[str]:
    """Distinct conversation titles."""
    return _numbered(rng, _SUBJECTS.split(), "{} {}", count)


def _numbered(rng: np.random.Generator, words: list[str], form: str, count: int) -> list[str]:
    picks = rng.integers(0, len(words), count).tolist()
    return [form.format(words[pick], number) for number, pick in enumerate(picks)]


def _text(rng: np.random.Generator, words: list[str], length: int) -> str:
    # A word and its space take about 4 characters. One word in ten is picked from all scripts,
    # the others from the plain first half.
    count = length // 3 + 1
    plain = rng.integers(0, len(words) // 2, count)
    any_script = rng.integers(0, len(words), count)
    picks = np.where(rng.random(count) < 0.1, any_script, plain).tolist()
    return " ".join(words[pick] for pick in picks)[:length].rstrip() or "k"
