"""Run a program and take its wall time and its peak memory.

The program is started by a small Python process that does nothing else (`launcher.py`). Linux
counts what a process held before `exec` towards the program it becomes, so a program started
from here directly would show at least the memory that the bench itself, with the data generator
in it, has ever held.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from olap.errors import AnalyticsError

LAUNCHER = Path(__file__).with_name("launcher.py")
PROJECT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A program that ran to its end.

    Attributes:
        seconds: wall time from its start to its exit.
        peak_bytes: the most resident memory it held at once, or one of its own children did.
    """

    seconds: float
    peak_bytes: int
    stdout: str
    stderr: str


def run(command: Sequence[str | Path], environment: Mapping[str, str]) -> Run:
    """Run `command` in the project's root and measure it.

    Args:
        environment: variables to set beside those of this process.

    Raises:
        AnalyticsError: it failed; with the end of what it wrote.
    """
    os.sync()  # so that it does not wait for what an earlier run wrote
    with tempfile.TemporaryDirectory(prefix="bench-") as directory:
        result = Path(directory) / "result.json"
        finished = subprocess.run(
            [sys.executable, "-I", "-S", LAUNCHER, result, *command],
            cwd=PROJECT,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
        if finished.returncode != 0:
            tail = "\n".join((finished.stdout + finished.stderr).splitlines()[-15:])
            raise AnalyticsError(
                f"`{' '.join(map(str, command))}` failed:\n{tail}",
                hint="Run it by itself to find out why.",
            )
        figures = json.loads(result.read_text())
    return Run(
        seconds=figures["seconds"],
        peak_bytes=figures["peak_bytes"],
        stdout=finished.stdout,
        stderr=finished.stderr,
    )
