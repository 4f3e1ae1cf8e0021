"""Directories of Unix sockets: beside the server's data, or a temporary one for long paths."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

_PREFIX = "sandbox-socket-"


def socket_directory(preferred: Path, socket: str) -> Path:
    """`preferred` if a socket of this name fits into it, otherwise a new temporary directory."""
    if _fits(preferred / socket):
        preferred.mkdir(mode=0o700, parents=True, exist_ok=True)
        return preferred
    return Path(tempfile.mkdtemp(prefix=_PREFIX))


def remove_socket_directory(directory: Path) -> None:
    """Remove a directory of `socket_directory` if it is a temporary one."""
    if directory.name.startswith(_PREFIX):
        shutil.rmtree(directory, ignore_errors=True)


def _fits(path: Path) -> bool:
    """Whether the kernel and every client accept this path of a Unix socket.

    The kernel's limit is 104 bytes on macOS and 108 on Linux, including the final zero. Commas,
    quotes and spaces have a meaning in libpq's list of hosts and in shells.
    """
    text = str(path)
    return len(os.fsencode(text)) < 104 and not any(c in text for c in ",'\"\\ @%?#&")
