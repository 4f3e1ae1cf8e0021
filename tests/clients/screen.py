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

_SECONDS_MAX = 240
_TRIES_MAX = 16
_SELECT_ALL, _RUN = b"\x01", b"\x0a"  # Ctrl-A and Ctrl-J


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
        assert self._is_drawn(text, _SECONDS_MAX), f"{text!r} is not in {self._drawn[-3000:]!r}"

    def query(self, statement: str, answer: str) -> None:
        """Replace what is in the editor, run it, and read until its answer has been drawn.

        Keys that come before the editor is there are lost, so they are pressed until it answers.
        """
        for _ in range(_TRIES_MAX):
            os.write(self._terminal, _SELECT_ALL + statement.encode() + _RUN)
            if self._is_drawn(answer, _SECONDS_MAX / _TRIES_MAX):
                return
        raise AssertionError(f"{answer!r} is not in {self._drawn[-3000:]!r}")

    def _is_drawn(self, text: str, seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while text not in self._drawn and time.monotonic() < deadline:
            if select.select([self._terminal], [], [], 1)[0]:
                self._drawn += os.read(self._terminal, 65_536).decode(errors="replace")
        return text in self._drawn
