"""Which database a command reads: `DATABASE_URL`, or that of the sandbox."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from etl.running import now
from etl.sandbox.packages import import_sandbox
from olap.errors import SettingsError
from olap.layout import Layout
from olap.secret import Secret
from olap.settings import Settings
from olap.terminal import show

SANDBOX_MAPPING = "messenger"


@contextmanager
def source_database(settings: Settings) -> Iterator[Secret]:
    """The database to read: `DATABASE_URL`, or the sandbox's."""
    layout = Layout(settings.data_dir)
    if settings.database_url is not None:
        layout.create()
        layout.sandbox_marker.unlink(missing_ok=True)
        yield settings.database_url
        return
    show(f"DATABASE_URL is not set: reading the sandbox in {settings.sandbox_dir}.")
    with sandbox_database(settings) as url:
        show("")
        yield url


@contextmanager
def source_as_it_is(settings: Settings, stream: TextIO) -> Iterator[Secret]:
    """The database to read, without a DATA_DIR to write to."""
    if settings.database_url is not None:
        yield settings.database_url
        return
    messenger = import_sandbox("messenger")

    def say(text: str) -> None:
        show(text, stream)

    say(f"DATABASE_URL is not set: reading the sandbox in {settings.sandbox_dir}.")
    with messenger.sandbox_messenger(settings, now(), say) as url:
        yield url


@contextmanager
def sandbox_database(settings: Settings) -> Iterator[Secret]:
    """The sandbox's database, filled at the first use."""
    if settings.source_mapping != SANDBOX_MAPPING:
        raise SettingsError(
            f"SOURCE_MAPPING is {settings.source_mapping}, but the sandbox has the tables of "
            f"{SANDBOX_MAPPING}",
            hint="Set DATABASE_URL to the messenger's database, or unset SOURCE_MAPPING.",
        )
    messenger = import_sandbox("messenger")
    layout = Layout(settings.data_dir)
    layout.create()
    with messenger.sandbox_messenger(settings, now(), show) as url:
        if not layout.lake_manifest.exists():
            layout.sandbox_marker.touch()
        yield url
