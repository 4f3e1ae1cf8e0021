"""Opens generations on the engine that `ENGINE_URL` names (`olap.engine`).

A generation has a session of its own, because two in one session would share the names of their
views. Nothing of `olap.engine` is imported without an `ENGINE_URL`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from api.engine_line import OpenSession, Session
from api.generations import Generation, tag_of
from olap.commands import how_to_install
from olap.errors import EngineError, SettingsError
from olap.layout import Layout
from olap.manifest import read_manifest
from olap.reader import Rows
from olap.settings import Settings

if TYPE_CHECKING:
    from olap.engine.lake import EngineGeneration
    from olap.engine.session import Engine

_IN_PROCESS = "sail"
# What each way of reaching an engine needs, by its name in Python.
_PACKAGES = {_IN_PROCESS: ("pyspark", "pysail"), "sc": ("pyspark",)}
# So much later than the API gives a question up, the engine ends it: the API decides what is slow,
# and what it leaves behind does not run on.
_GRACE_SECONDS = 5.0


def opener(settings: Settings) -> OpenSession | None:
    """A function that opens a generation on the engine; None without an engine.

    Raises:
        SettingsError: `ENGINE_URL` names none, or needs a package that is not installed.
    """
    if settings.engine_url is None:
        return None
    address = settings.engine_url.reveal()
    if address != _IN_PROCESS and not re.fullmatch(r"sc://[^\s/]+(/\S*)?", address):
        # The value itself may contain a token.
        raise SettingsError(
            "ENGINE_URL names no engine",
            hint=f"Set it to `{_IN_PROCESS}`, or to the address of a Spark Connect server, such as "
            "`sc://host:15002`; unset it to answer everything from the generations.",
        )
    for package in _PACKAGES[address.partition(":")[0]]:
        if find_spec(package) is None:
            raise SettingsError(
                f"ENGINE_URL needs the package {package}, which is not installed",
                hint=f"{how_to_install('engine')} Or unset ENGINE_URL.",
            )
    layout, timeout = Layout(settings.data_dir), settings.engine_timeout_seconds + _GRACE_SECONDS

    def open_session(generation: Generation) -> Session:
        from olap.engine.lake import EngineGeneration
        from olap.engine.parts import with_fresh_parts
        from olap.engine.session import open_engine

        path = layout.generation_manifest(generation.number)
        manifest = read_manifest(path)
        if tag_of(layout, generation.number) != generation.tag:
            raise EngineError(
                f"generation {generation.number} is another one now: {path}",
                hint="Ask the generation that serves.",
            )
        found = EngineGeneration.of(manifest, settings.seen_by_engine)
        try:
            found = with_fresh_parts(layout, found)
            return _Session(open_engine(address, timeout_seconds=timeout), found)
        except BaseException:
            found.close()
            raise

    return open_session


class _Session:
    """See `api.engine_line.Session`."""

    def __init__(self, engine: Engine, generation: EngineGeneration) -> None:
        self._engine = engine
        self._generation = generation

    def prepare(self) -> None:
        from olap.engine.lake import prepare

        prepare(self._engine, self._generation)

    def ask(self, metric: str, parameters: Mapping[str, Any]) -> Rows:
        from olap.engine.ask import ask

        found = ask(self._engine, self._generation, metric, parameters)
        return [dict(zip(found.columns, row, strict=True)) for row in found.rows]

    def close(self) -> None:
        try:
            self._engine.close()
        finally:
            self._generation.close()
