"""What commands print for people: wrapped and coloured on a terminal, plain in a pipe."""

from __future__ import annotations

import shutil
import sys
import textwrap
from typing import TextIO

from olap.errors import AnalyticsError

# Regular expressions, and the colour of what they match on a terminal.
_COLOURS = {
    r"^(error|CRITICAL)\b": "red",
    r"^(warning|WARNING)\b": "yellow",
    r"^OK$": "green",
    r"`[^`\n]+`": "cyan",
}


def show(text: str, stream: TextIO | None = None) -> None:
    """Print a text to a stream, by default to standard output.

    On a terminal, long sentences are wrapped; tables, with two spaces between columns, are not.
    """
    stream = stream or sys.stdout
    if not stream.isatty():
        print(text, file=stream, flush=True)
        return
    from rich.console import Console
    from rich.text import Text

    shown = Text("\n".join(map(_wrapped, text.splitlines())))
    for pattern, colour in _COLOURS.items():
        shown.highlight_regex(f"(?m){pattern}", colour)
    # It honours NO_COLOR and TERM=dumb.
    Console(file=stream, highlight=False).print(shown, soft_wrap=True)
    stream.flush()


def show_error(error: AnalyticsError) -> None:
    """Print an error, and what to do next, to standard error."""
    show(f"error: {error.message}\n  {error.hint}", sys.stderr)


def _wrapped(line: str) -> str:
    if "  " in line.strip():
        return line
    width = shutil.get_terminal_size().columns
    indent = " " * (len(line) - len(line.lstrip()))
    return textwrap.fill(
        line, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )
