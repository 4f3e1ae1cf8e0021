"""The whole API on a socket that its parent holds: `python -m tests.api.on_socket <fd>`."""

from __future__ import annotations

import os
import socket
import sys

import uvicorn

from api.app import create_app
from olap.settings import Settings

if __name__ == "__main__":
    config = uvicorn.Config(
        create_app(Settings.from_env(os.environ)), log_level="warning", access_log=False
    )
    # Not `fd=`: uvicorn takes that for a Unix socket, and answers then wait 40 ms for each other.
    uvicorn.Server(config).run(sockets=[socket.socket(fileno=int(sys.argv[1]))])
