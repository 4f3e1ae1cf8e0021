"""A generation on Sail in this process, and Sail as a server of its own: a cluster with workers."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pytest

from olap.engine.lake import EngineGeneration, prepare
from olap.engine.session import Engine, open_engine
from tests.fix_pipeline import Pipeline


@dataclass(frozen=True, slots=True)
class OnEngine:
    """A published generation, and an engine that has its tables."""

    pipeline: Pipeline
    generation: EngineGeneration
    engine: Engine
    file: duckdb.DuckDBPyConnection


@contextmanager
def on_engine(pipeline: Pipeline, engine: Engine) -> Iterator[OnEngine]:
    """The published generation of a pipeline on an engine."""
    manifest = pipeline.manifest()
    generation = EngineGeneration.of(manifest, str(pipeline.settings.data_dir))
    try:
        prepare(engine, generation)
        with duckdb.connect(str(pipeline.published), read_only=True) as file:
            file.execute("set timezone = 'UTC'")
            yield OnEngine(pipeline, generation, engine, file)
    finally:
        generation.close()


@pytest.fixture(scope="session")
def busy_on_sail(busy: Pipeline) -> Iterator[OnEngine]:
    """The generation of `busy` on Sail in this process, in a session of its own."""
    engine = open_engine("sail")
    try:
        with on_engine(busy, engine) as found:
            yield found
    finally:
        engine.close()


@dataclass(frozen=True, slots=True)
class Cluster:
    """Sail as a process of its own."""

    address: str
    server: subprocess.Popen[bytes]


# Sail ends a session that nobody has asked for five minutes, and a session of the tests is opened
# once: between two modules that use it other tests may take longer.
os.environ["SAIL_SPARK__SESSION_TIMEOUT_SECS"] = "86400"


@contextmanager
def sail_cluster(workers: int) -> Iterator[Cluster]:
    """Sail as a process of its own, whose driver and workers speak by network."""
    configured = {
        "SAIL_MODE": "local-cluster",
        "SAIL_CLUSTER__WORKER_INITIAL_COUNT": str(workers),
        "SAIL_CLUSTER__WORKER_MAX_COUNT": str(workers),
        "SAIL_CLUSTER__WORKER_TASK_SLOTS": "2",
        "RUST_LOG": "info",
    }
    with tempfile.NamedTemporaryFile() as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "pysail", "spark", "server", "--port", "0"],
            env=os.environ | configured,
            stdout=subprocess.DEVNULL,
            stderr=log,
        )
        try:
            yield Cluster(f"sc://{_listening(server, Path(log.name))}", server)
        finally:
            server.terminate()
            try:
                server.wait(10)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()


@pytest.fixture(scope="session")
def two_workers() -> Iterator[str]:
    """The address of Sail's local cluster with two workers."""
    with sail_cluster(2) as cluster:
        yield cluster.address


def _listening(server: subprocess.Popen[bytes], log: Path) -> str:
    """Host and port, as the server logs them."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and server.poll() is None:
        if found := re.search(r"server on (127\.0\.0\.1:[1-9]\d*)", log.read_text()):
            return found[1]
        time.sleep(0.05)
    raise AssertionError(f"Sail does not start: {log.read_text()}")
