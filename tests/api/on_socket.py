"""The whole API on a socket of its parent: `python -m tests.api.on_socket <fd>`."""

from __future__ import annotations

import os
import socket
import sys

import uvicorn

from api.app import create_app
from api.events import queue, writer
from olap import log
from olap.settings import Settings

if __name__ == "__main__":
    log.configure(level="warning")  # why a request was refused, and not thousands of requests
    # Only a slow machine reaches the usual limits when nothing is wrong.
    writer._REQUEST_SECONDS = 60.0
    queue._CONNECT_SECONDS = 60.0
    queue._FSYNC_MILLISECONDS = 60_000
    queue._TIMEOUT_SECONDS = float(os.environ.get("QUEUE_TIMEOUT_SECONDS", "60"))
    config = uvicorn.Config(
        create_app(Settings.from_env(os.environ)), log_level="warning", access_log=False
    )
    # Not `fd=`: uvicorn takes that for a Unix socket, and answers then delay each other by 40 ms.
    uvicorn.Server(config).run(sockets=[socket.socket(fileno=int(sys.argv[1]))])
