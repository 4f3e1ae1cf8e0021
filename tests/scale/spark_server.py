"""A Spark Connect server with Java, of the PySpark that `make test-scale SPARK=1` installs."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.environments import Environment

# An own environment: its modules have the names of those of `pyspark-client`.
_ENVIRONMENT = Environment(
    Path(__file__).parents[2] / "build" / "spark", Path(__file__).with_name("spark.lock")
)
_SERVER = "org.apache.spark.sql.connect.service.SparkConnectServer"
_CONFIGURATION = {
    "spark.connect.grpc.binding.address": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.driver.host": "127.0.0.1",
    "spark.ui.enabled": "false",
    # The tables of a test are small: a plan for much data costs more than its rows.
    "spark.sql.shuffle.partitions": "1",
    "spark.sql.adaptive.enabled": "false",
    "spark.sql.codegen.wholeStage": "false",
}
_START_SECONDS = 120


@contextmanager
def spark_server(directory: Path) -> Iterator[str]:
    """The address of a server of its own, until the block ends; installs it (minutes).

    Args:
        directory: gets what the server writes.
    """
    _ENVIRONMENT.install()
    home = next(_ENVIRONMENT.directory.glob("lib/python3.*/site-packages/pyspark"))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    settings = _CONFIGURATION | {
        "spark.connect.grpc.binding.port": str(port),
        "spark.sql.warehouse.dir": str(directory / "warehouse"),
        "spark.local.dir": str(directory),
    }
    arguments = [part for pair in settings.items() for part in ("--conf", "=".join(pair))]
    command = [str(home / "bin" / "spark-submit"), "--class", _SERVER, "--master", "local[2]"]
    environment = os.environ | {"SPARK_HOME": str(home), "SPARK_LOCAL_IP": "127.0.0.1"}
    with (directory / "spark.log").open("w") as log:
        server = subprocess.Popen(
            [*command, "--driver-memory", "2g", *arguments, "spark-internal"],
            env=environment,
            cwd=directory,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        _wait(server, port, directory / "spark.log")
        yield f"sc://127.0.0.1:{port}"
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()


def _wait(server: subprocess.Popen[bytes], port: int, log: Path) -> None:
    end = time.monotonic() + _START_SECONDS
    while server.poll() is None and time.monotonic() < end:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.2)
    raise RuntimeError(f"Spark did not start:\n{log.read_text()[-2000:]}")
