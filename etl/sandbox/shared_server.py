"""A server that several processes share: the first user starts it, the last user stops it.

Two lock files beside the server's data are the whole protocol. `gate` is held exclusively while a
process starts or stops the server; `users` is held shared by every process that uses it. A process
that ends and can lock `users` exclusively is the last one.

The kernel releases the locks of a dead process, so nothing has to be cleaned up after a crash or a
SIGKILL: the next user finds the server running and stops it at the end.
"""

from __future__ import annotations

import fcntl
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, TypeVar

from olap.errors import SandboxError

Server = TypeVar("Server")


@contextmanager
def shared_server(
    home: Path, *, start: Callable[[], Server], stop: Callable[[], None]
) -> Iterator[Server]:
    """Use the server in `home` together with the other processes that use it.

    Args:
        home: directory of the two lock files; created when missing.
        start: starts the server if it does not run, and returns its description. Every user
            calls it, one at a time.
        stop: stops the server. The last user calls it, also when `start` failed.

    Raises:
        SandboxError: `home` cannot be written.
    """
    with ExitStack() as files:
        try:
            home.mkdir(parents=True, exist_ok=True)
            gate = files.enter_context((home / "gate.lock").open("a"))
            users = files.enter_context((home / "users.lock").open("a"))
        except OSError as error:
            raise SandboxError(
                f"The sandbox directory {home} cannot be written: {error.strerror}.",
                hint="Make it writable for your account, delete it, or set SANDBOX_DIR.",
            ) from error
        try:
            with _exclusive(gate):
                fcntl.flock(users, fcntl.LOCK_SH)
                server = start()
            yield server
        finally:
            with _exclusive(gate):
                if _is_last(users):
                    stop()


@contextmanager
def _exclusive(gate: IO[str]) -> Iterator[None]:
    fcntl.flock(gate, fcntl.LOCK_EX)
    try:
        yield
    finally:
        fcntl.flock(gate, fcntl.LOCK_UN)


def _is_last(users: IO[str]) -> bool:
    """Release our shared lock on `users`; true when no other process holds one."""
    try:
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        fcntl.flock(users, fcntl.LOCK_UN)
        return False
    return True
