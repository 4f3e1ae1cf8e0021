"""A follower: reads a feed batch by batch as cycles do, without a warehouse."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import psycopg

from etl.feed.changes import Reading, TableChanges
from etl.feed.install import apply, install_script
from etl.feed.reading import advance, prepare, read_feed
from etl.sandbox.load import create_schema
from etl.sandbox.postgres import create_database
from etl.source import SourceTransaction, open_source
from olap.manifest import FeedState, Manifest, Mode
from olap.mapping import SourceMapping, read_mapping
from olap.secret import Secret
from olap.settings import Settings
from tests.factories import a_batch, a_manifest
from tests.world import uuid

MESSENGER = read_mapping("messenger")


def install(url: str, *modes: Mode, etl_role: str = "postgres") -> None:
    """Install feeds in the messenger's database."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("alter system set max_slot_wal_keep_size = '1GB'")
        connection.execute("select pg_reload_conf()")
    for mode in modes:
        apply(Secret(url), install_script(mode, MESSENGER, None, etl_role=etl_role))


def messenger(server_url: str, name: str = "messenger") -> str:
    """A new database with the messenger's tables; its URL."""
    url = create_database(server_url, name)
    with psycopg.connect(url) as connection:
        create_schema(connection)
    return url


def drop_slots(url: str) -> None:
    """Drop the slots of the server that a test leaves."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "select pg_drop_replication_slot(slot_name) from pg_replication_slots where not active"
        )


@dataclass
class Follower:
    """Reads the feed of a database.

    Attributes:
        manifest: the state after the last batch.
    """

    url: str
    mode: str = "auto"
    mapping: SourceMapping = MESSENGER
    options: dict[str, Any] = field(default_factory=dict)
    manifest: Manifest | None = None

    @property
    def settings(self) -> Settings:
        """The settings of each batch."""
        values: dict[str, Any] = {"etl_mode": str(self.mode), **self.options}
        return Settings(data_dir=Path("unused"), **values)

    @property
    def state(self) -> FeedState:
        """How far the feed was read."""
        assert self.manifest is not None and self.manifest.feed is not None
        return self.manifest.feed

    @contextmanager
    def batch(
        self, *, advances: bool = True, position: int | None = None
    ) -> Iterator[tuple[SourceTransaction, Reading]]:
        """A batch: the source's transaction is open in the block, and committed here after it.

        Args:
            advances: whether the feed is told afterwards; a crash would prevent that.
            position: record this one instead of what the feed says.
        """
        settings, url = self.settings, Secret(self.url)
        prepared = prepare(settings, url, self.manifest)
        with open_source(url, settings, self.mapping) as source:
            reading = read_feed(settings, url, prepared, source, self.manifest)
            yield source, reading
            snapshot = source.snapshot
        state = reading.state
        if state is not None and position is not None:
            state = msgspec.structs.replace(state, position=position)
        self.manifest = a_manifest(
            source=snapshot.identity, batches=(a_batch(snapshot=snapshot.text),), feed=state
        )
        if advances:
            advance(settings, url, state)

    def read(self, *, advances: bool = True) -> Reading:
        """What a batch is told."""
        with self.batch(advances=advances) as (_, reading):
            return reading


def keys(*numbers: int) -> frozenset[tuple[str, ...]]:
    """The keys of messages by their numbers."""
    return frozenset((str(uuid(number)),) for number in numbers)


def told(reading: Reading, table: str = "messages") -> TableChanges:
    """What a batch was told of a table."""
    assert reading.changes is not None, reading.reason
    return reading.changes[table]
