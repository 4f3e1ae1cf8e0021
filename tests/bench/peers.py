"""dlt and chDB, the programs that the bench compares with, in a virtual environment of their own.

A run that must not install anything takes what an earlier run installed, and reports what is
missing.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from tests.environments import Environment

REQUIREMENTS = Path(__file__).with_name("requirements.lock")


class PeerMode(StrEnum):
    """What `--peers` does: install and measure, measure if installed, or leave out."""

    INSTALL = "install"
    INSTALLED = "installed"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Peers(Environment):
    """The virtual environment of the peers."""

    requirements: Path = REQUIREMENTS
