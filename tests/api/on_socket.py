"""The whole API on a socket of its parent: `python -m tests.api.on_socket <fd>`."""

from __future__ import annotations

import os
import socket
import sys

import uvicorn

from api.app import create_app
from api.events import queue, writer
from olap.settings import Settings

if __name__ == "__main__":
    writer._REQUEST_SECONDS = 60.0  # only a slow machine reaches the usual 8 when nothing is wrong
    queue._TIMEOUT_SECONDS = float(os.environ.get("QUEUE_TIMEOUT_SECONDS", "60"))
    config = uvicorn.Config(
        create_app(Settings.from_env(os.environ)), log_level="warning", access_log=False
    )
    # Not `fd=`: uvicorn takes that for a Unix socket, and answers then delay each other by 40 ms.
    uvicorn.Server(config).run(sockets=[socket.socket(fileno=int(sys.argv[1]))])
