"""A program with a text interface in a terminal of its own."""

from __future__ import annotations

import os
import pty
import select
import signal
import struct
import subprocess
import time
from fcntl import ioctl
from pathlib import Path
from termios import TIOCSWINSZ
from types import TracebackType

_SECONDS_MAX = 120
_RUN_QUERY = b"\x0a"  # Ctrl-J


class Screen:
    """A running program: what it has drawn, and keys for it.

    Args:
        programs: the directory of the program.
        command: its command line.
        directory: where it runs.
    """

    def __init__(self, programs: Path, command: str, directory: Path) -> None:
        self._terminal, other = pty.openpty()
        ioctl(self._terminal, TIOCSWINSZ, struct.pack("HHHH", 40, 160, 0, 0))
        self._process = subprocess.Popen(
            ["sh", "-c", f"exec {command}"],
            stdin=other, stdout=other, stderr=other, cwd=directory, start_new_session=True,
            env=os.environ | {"PATH": f"{programs}:{os.environ['PATH']}", "TERM": "xterm-256color",
                              "HOME": str(directory)},
        )  # fmt: skip
        os.close(other)
        self._drawn = ""

    def __enter__(self) -> Screen:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()
        os.close(self._terminal)

    def wait_for(self, text: str) -> None:
        """Read until a text has been drawn."""
        deadline = time.monotonic() + _SECONDS_MAX
        while text not in self._drawn:
            assert time.monotonic() < deadline, f"{text!r} is not in {self._drawn[-3000:]!r}"
            if select.select([self._terminal], [], [], 1)[0]:
                self._drawn += os.read(self._terminal, 65_536).decode(errors="replace")

    def type(self, text: str) -> None:
        """Type a text."""
        os.write(self._terminal, text.encode())

    def press_run(self) -> None:
        """Press the key that runs a query."""
        os.write(self._terminal, _RUN_QUERY)
