"""Databases in which a feed is installed, copied from one that is made once."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache

import pytest

from etl.sandbox.postgres import drop_database
from olap.manifest import Mode
from tests.feed.follower import Follower, install, messenger
from tests.fix_postgres import databases


# Of a module, because a feed grants to a role of the whole server, which others drop.
@pytest.fixture(scope="module")
def feed_templates(postgres_url: str) -> Iterator[Callable[[Mode], str]]:
    """The names of databases with the messenger's tables and a feed, each made when first used."""
    with ExitStack() as stack:

        @cache
        def template(mode: Mode) -> str:
            name = f"test_{os.getpid()}_with_{mode}"
            stack.callback(drop_database, postgres_url, name)
            install(messenger(postgres_url, name), mode)
            return name

        yield template


@pytest.fixture
def new_follower(
    postgres_url: str, feed_templates: Callable[[Mode], str]
) -> Iterator[Callable[[Mode], Follower]]:
    """Makes followers, each of a new database with the feed of a mode, and reads the first batch.

    The feed is in use afterwards.
    """
    with ExitStack() as stack:

        def make(mode: Mode) -> Follower:
            new = stack.enter_context(databases(postgres_url, feed_templates(mode)))
            follower = Follower(new(), mode)
            assert follower.read().mode is Mode.SCAN
            return follower

        yield make
