"""Fixtures of changing generations: a history of three, which a test publishes as it needs them."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from etl.sandbox.postgres import create_database, drop_database
from olap.layout import Layout
from olap.settings import Settings
from tests.api import small_messenger as messenger
from tests.api.fix_api import Api
from tests.api.small_messenger import BOB
from tests.fix_pipeline import Clock, Pipeline
from tests.world import World

# What each generation of the history adds to the one before.
BASE, ONE_MORE_MESSAGE, BOB_HAS_LEFT = 1, 2, 3


@pytest.fixture(scope="module")
def history(
    postgres_url: str, template_database: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Pipeline]:
    """Three generations of the small messenger, for tests to publish."""
    name = f"test_{os.getpid()}_history"
    settings = Settings(data_dir=tmp_path_factory.mktemp("history") / "data", keep_generations=10)
    try:
        url = create_database(postgres_url, name, template=template_database)
        pipeline = Pipeline(url, settings, Clock(messenger.NOW))
        with World(url) as world:
            messenger.fill(world)
            pipeline.cycle()
            world.message(500, conversation_id=messenger.TEAM, created_at=messenger.ago(hours=1))
            pipeline.cycle()
            world.participant(
                messenger.ENGINEERS,
                BOB,
                joined_at=messenger.ago(days=15),
                left_at=messenger.ago(minutes=1),
            )
            pipeline.cycle()
        yield pipeline
    finally:
        drop_database(postgres_url, name)


@dataclass(slots=True)
class Published:
    """A DATA_DIR into which generations of the history are published as the ETL does it."""

    history: Pipeline
    root: Path

    @property
    def layout(self) -> Layout:
        return Layout(self.root)

    @property
    def pipeline(self) -> Pipeline:
        """For `new_api`."""
        return Pipeline("", replace(self.history.settings, data_dir=self.root))

    def publish(self, number: int, name: int | None = None) -> None:
        """Publish generation `number`, under another number if `name` is given."""
        self.place(number, name)
        self.point(name or number)

    def place(self, number: int, name: int | None = None) -> None:
        """Write the files of a generation that no symlink names yet."""
        target = Layout(self.root)
        target.create()
        source, shown = self.history.layout, name or number
        content = source.generation_manifest(number).read_bytes()
        content = content.replace(b'"generation": %d' % number, b'"generation": %d' % shown)
        target.generation_directory(shown).mkdir()
        target.generation_manifest(shown).write_bytes(content)
        os.link(source.generation(number).resolve(), target.generation(shown))

    def point(self, number: int) -> None:
        """Switch the symlink."""
        draft = self.root / ".draft"
        draft.symlink_to(self.layout.generation(number).relative_to(self.root))
        draft.replace(self.layout.pointer)

    def remove(self, *numbers: int) -> None:
        """Collect generations."""
        for number in numbers:
            shutil.rmtree(self.layout.generation_directory(number))


@pytest.fixture
def published(history: Pipeline, tmp_path: Path) -> Published:
    """An empty DATA_DIR."""
    return Published(history, tmp_path / "published")


def wait_for(api: Api, number: int) -> None:
    """Wait until this generation serves."""
    deadline = time.monotonic() + 300
    while api.client.get("/health/ready").json()["generation"] != number:
        assert time.monotonic() < deadline
        time.sleep(0.02)
