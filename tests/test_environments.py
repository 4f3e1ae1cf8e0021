"""Environments of other programs are made once, however many processes need one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
_INSTALL = """
import sys
from pathlib import Path
from tests.environments import Environment

make = Environment._make
Environment._make = lambda self: print("made") or make(self)
environment = Environment(Path(sys.argv[1]), Path(sys.argv[2]))
environment.install()
assert environment.is_installed and environment.python.exists()
"""


@pytest.mark.slow
def test_processes_that_install_at_once_wait_for_each_other(tmp_path: Path) -> None:
    """Three workers ask for one that is missing: one makes it, and all find it whole."""
    requirements = tmp_path / "nothing.lock"
    requirements.touch()
    command = [sys.executable, "-c", _INSTALL, str(tmp_path / "environment"), str(requirements)]
    running = [
        subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(3)
    ]
    said = [process.communicate(timeout=600)[0] for process in running]
    assert [process.returncode for process in running] == [0, 0, 0]
    assert sorted(said) == ["", "", "made\n"]
