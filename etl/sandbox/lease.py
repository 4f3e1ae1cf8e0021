"""A server that several processes share: the first one in starts it, the last one out stops it.

Two lock files beside the server's data carry the whole protocol. `gate` is held
exclusively while somebody starts or stops; `users` is held shared by everyone for as long
as they use the server. Whoever leaves and can take `users` exclusively was the last.

The kernel drops a dead process's locks, so a crash or a SIGKILL leaves nothing behind that
a later start has to clean up: lists of process ids, which such helpers often keep, go stale
there and then never stop the server again.
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
    """Use the server that lives in `home` together with everyone else who does.

    Args:
        home: directory of the two lock files; made when missing.
        start: makes sure that the server runs and returns what describes it. Called by
            everyone, one at a time, so it must accept a server that runs already.
        stop: stops it. Called by the last one out, also when `start` failed half way.

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
                hint="Give it to your account, delete it, or choose another one.",
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
    """Give up our share of `users`; true when nobody else holds one."""
    try:
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        fcntl.flock(users, fcntl.LOCK_UN)
        return False
    return True
