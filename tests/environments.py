"""Virtual environments of programs that the project is tried with, and does not depend on.

Each is made once for each state of its lock file, below `build/`.
"""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from olap.errors import AnalyticsError


@dataclass(frozen=True, slots=True)
class Environment:
    """A virtual environment.

    Attributes:
        directory: of the environment; it may be missing.
        requirements: the lock file with what is installed in it.
    """

    directory: Path
    requirements: Path

    @property
    def python(self) -> Path:
        """The interpreter that has the packages."""
        return self.directory / "bin" / "python"

    @property
    def is_installed(self) -> bool:
        """Whether the environment is complete and of the present requirements."""
        return self._ready.exists() and self._ready.read_text().strip() == self._digest

    def install(self) -> None:
        """Make the environment, unless it is installed; other processes wait meanwhile.

        Raises:
            AnalyticsError: the packages cannot be installed.
        """
        self.directory.parent.mkdir(parents=True, exist_ok=True)
        with self.directory.with_name(f"{self.directory.name}.lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not self.is_installed:
                self._make()

    def _make(self) -> None:
        shutil.rmtree(self.directory, ignore_errors=True)
        pip: list[str | Path] = [self.python, "-m", "pip", "--quiet", "--disable-pip-version-check"]
        commands: list[list[str | Path]] = [
            [sys.executable, "-m", "venv", self.directory],
            [*pip, "install", "--require-hashes", "--requirement", self.requirements],
        ]
        for command in commands:
            finished = subprocess.run(command, capture_output=True, text=True)
            if finished.returncode != 0:
                raise AnalyticsError(
                    f"{self.requirements} cannot be installed into {self.directory}:\n"
                    f"{finished.stderr.strip()[-1000:]}",
                    hint="Check the network, and the tools that the output names.",
                )
        self._ready.write_text(self._digest)

    @property
    def _ready(self) -> Path:
        return self.directory / "ready"

    @property
    def _digest(self) -> str:
        return hashlib.sha256(self.requirements.read_bytes()).hexdigest()
