"""Run a program and measure its times and its peak memory.

A small Python process that does nothing else (`launcher.py`) starts the program. Linux counts the
memory of a process before `exec` towards the program that it becomes, so a program started directly
would show at least the peak memory of the bench itself, including its data generator.
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
    """The measurements of a finished program.

    Attributes:
        seconds: wall time from its start to its exit.
        processor_seconds: of the program and of its children.
        peak_bytes: peak resident memory of the program, or of one of its children if larger.
    """

    seconds: float
    processor_seconds: float
    peak_bytes: int
    stdout: str
    stderr: str


def run(command: Sequence[str | Path], environment: Mapping[str, str]) -> Run:
    """Run `command` in the project's root directory and measure it.

    Args:
        environment: variables to set in addition to those of this process.

    Raises:
        AnalyticsError: the command failed; the message contains the end of its output.
    """
    os.sync()  # so that the program does not wait for the writes of an earlier run
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
                hint="Run the command alone to find the cause.",
            )
        figures = json.loads(result.read_text())
    return Run(
        seconds=figures["seconds"],
        processor_seconds=figures["processor_seconds"],
        peak_bytes=figures["peak_bytes"],
        stdout=finished.stdout,
        stderr=finished.stderr,
    )
