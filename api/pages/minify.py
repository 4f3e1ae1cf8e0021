"""Shortens the page's scripts and styles: comments, blanks, and names that are seen nowhere else.

The work is done by tdewolff's minifier, once, when the application is made. It runs in a process
of its own, because the runtime of Go that it brings would stay in each worker: 12 MB, five threads,
and handlers of signals for which Python has its own. Where it has no wheel (macOS on arm64) the
files stay as they are, and a first view loads 50 KB instead of 40.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from importlib.util import find_spec

_PROGRAM = """
import json, sys, minify
files = json.load(sys.stdin)
json.dump({name: minify.string(kind, text) for name, (text, kind) in files.items()}, sys.stdout)
"""


def is_installed() -> bool:
    """Whether the minifier is there."""
    return find_spec("minify") is not None


def minified(files: Mapping[str, tuple[str, str]]) -> dict[str, str]:
    """Files that do the same, by the same names.

    Args:
        files: their contents and media types.

    Raises:
        subprocess.CalledProcessError: the minifier refuses one, or is damaged.
    """
    if not is_installed():
        return {name: text for name, (text, _) in files.items()}
    # Isolated: a file `minify.py` in the working directory is not it.
    finished = subprocess.run(
        [sys.executable, "-I", "-c", _PROGRAM],
        input=json.dumps(files),
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, str] = json.loads(finished.stdout)
    return found
