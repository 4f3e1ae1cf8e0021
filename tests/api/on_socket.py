"""The whole API on a socket of its parent: `python -m tests.api.on_socket <fd>`."""

from __future__ import annotations

import os
import socket
import sys

import uvicorn

from api.app import create_app
from api.events import queue, table
from olap import log
from olap.settings import Settings
from tests.patience import raise_limits

if __name__ == "__main__":
    log.configure(level="warning")  # why a request was refused, and not thousands of requests
    raise_limits()
    queue._TIMEOUT_SECONDS = float(os.environ.get("QUEUE_TIMEOUT_SECONDS", "60"))
    # Most of its tests are of a PostgreSQL that does not answer.
    table._STATEMENT_SECONDS = float(os.environ.get("STATEMENT_SECONDS", "2"))
    table._ANSWER_SECONDS = table._STATEMENT_SECONDS + 0.5
    config = uvicorn.Config(
        create_app(Settings.from_env(os.environ)), log_level="warning", access_log=False
    )
    # Not `fd=`: uvicorn takes that for a Unix socket, and answers then delay each other by 40 ms.
    uvicorn.Server(config).run(sockets=[socket.socket(fileno=int(sys.argv[1]))])
