"""Environments for clients: below build/clients, with pinned versions, kept from run to run."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

from tests.api.servers import ROOT

BUILD = ROOT / "build" / "clients"
# What the pinned packages depend on is as it was on this day: one date in place of lock files.
PACKAGES_UNTIL = "2026-11-25"
_SECONDS_MAX = 600


def run(*command: str | Path, directory: Path = ROOT) -> str:
    """What a program prints; both its outputs are in the error if it fails."""
    ended = subprocess.run(
        [str(part) for part in command],
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=_SECONDS_MAX,
    )
    assert ended.returncode == 0, f"{command[0]}: {ended.stdout[-3000:]}{ended.stderr[-3000:]}"
    return ended.stdout + ended.stderr


def python_with(*packages: str) -> Path:
    """The interpreter of an environment with these packages (`name==version`)."""
    directory = BUILD / "-".join(["python", *(one.partition("==")[0] for one in packages)])
    interpreter = directory / "bin" / "python"
    if _is_new(directory, packages):
        uv = Path(sys.executable).with_name("uv")
        run(uv, "venv", "--quiet", "--python", sys.executable, directory)
        options = ("--quiet", "--exclude-newer", PACKAGES_UNTIL, "--python", interpreter)
        run(uv, "pip", "install", *options, *packages)
        _done(directory, packages)
    return interpreter


def node_with(*packages: str) -> Path:
    """The directory of a Node package that depends on these (`name@version`)."""
    named = (one.rpartition("@")[0].replace("/", "-").strip("@") for one in packages)
    directory = BUILD / "-".join(["node", *named])
    if _is_new(directory, packages):
        directory.mkdir(parents=True)
        (directory / "package.json").write_text('{"private": true}\n')
        options = ("--no-package-lock", "--no-audit", "--no-fund", "--loglevel=error")
        run("npm", "install", *options, *packages, directory=directory)
        _done(directory, packages)
    return directory


def _is_new(directory: Path, packages: tuple[str, ...]) -> bool:
    """Whether an environment must be made; one with other versions is removed."""
    installed = directory / "installed.json"
    if installed.exists() and json.loads(installed.read_text()) == list(packages):
        return False
    shutil.rmtree(directory, ignore_errors=True)
    return True


def _done(directory: Path, packages: tuple[str, ...]) -> None:
    (directory / "installed.json").write_text(json.dumps(packages))
