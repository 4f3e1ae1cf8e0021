"""dlt and chDB, the programs that the bench compares with, in a virtual environment of their own.

The environment is made once for each state of `requirements.lock`, below `build/`. A run that must
not install anything takes what an earlier run installed, and reports what is missing.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from olap.errors import AnalyticsError

REQUIREMENTS = Path(__file__).with_name("requirements.lock")


class PeerMode(StrEnum):
    """What `--peers` does: install and measure, measure if installed, or leave out."""

    INSTALL = "install"
    INSTALLED = "installed"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Peers:
    """The virtual environment of the peers.

    Attributes:
        directory: of the environment; it may be missing.
    """

    directory: Path

    @property
    def python(self) -> Path:
        """The interpreter that has the peers."""
        return self.directory / "bin" / "python"

    @property
    def is_installed(self) -> bool:
        """Whether the environment is complete and of the present requirements."""
        return self._ready.exists() and self._ready.read_text().strip() == _digest()

    def install(self) -> None:
        """Make the environment, unless it is installed.

        Raises:
            AnalyticsError: the packages cannot be installed.
        """
        if self.is_installed:
            return
        shutil.rmtree(self.directory, ignore_errors=True)
        pip: list[str | Path] = [self.python, "-m", "pip", "--quiet", "--disable-pip-version-check"]
        commands: list[list[str | Path]] = [
            [sys.executable, "-m", "venv", self.directory],
            [*pip, "install", "--require-hashes", "--requirement", REQUIREMENTS],
        ]
        for command in commands:
            finished = subprocess.run(command, capture_output=True, text=True)
            if finished.returncode != 0:
                raise AnalyticsError(
                    f"the peers cannot be installed:\n{finished.stderr.strip()[-1000:]}",
                    hint="Check the network, or measure without them: --peers none.",
                )
        self._ready.write_text(_digest())

    @property
    def _ready(self) -> Path:
        return self.directory / "ready"


def _digest() -> str:
    return hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()
