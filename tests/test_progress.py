"""How a backfill shows how far it is, on a terminal and elsewhere."""

from __future__ import annotations

import io
from unittest.mock import patch

from etl.backfill import Progress
from etl.progress import LINE_SECONDS, shown_progress


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        """It does."""
        return True


def test_elsewhere_it_is_a_line_every_few_seconds() -> None:
    """The first, the last, and none sooner than `LINE_SECONDS` after the one before."""
    stream, now = io.StringIO(), [0.0]
    with patch("time.monotonic", lambda: now[0]), shown_progress(stream) as show:
        for done in range(5):
            show(Progress(blocks=4, blocks_done=done, rows=10 * done))
            now[0] += LINE_SECONDS * 0.6
        show(Progress(blocks=4, blocks_done=4, rows=40))
    assert stream.getvalue().splitlines() == [
        "reading: 0 of 4 blocks (0 %), 0 rows",
        "reading: 2 of 4 blocks (50 %), 20 rows",
        "reading: 4 of 4 blocks (100 %), 40 rows",
    ]


def test_a_pause_says_what_it_waits_for() -> None:
    """While replicas are behind, the line names by how much."""
    stream = io.StringIO()
    with shown_progress(stream) as show:
        show(Progress(blocks=4, blocks_done=1, rows=10, lag_bytes=25_000_000))
    assert stream.getvalue().startswith("waiting for a replica that is 25 MB behind: 1 of 4 blocks")


def test_a_terminal_gets_a_bar() -> None:
    """The bar has the rows and the percentage, and is drawn to its end."""
    stream = Terminal()
    environment = patch.dict("os.environ", {"TERM": "xterm", "COLUMNS": "100"})
    with environment, shown_progress(stream) as show:
        show(Progress(blocks=4, blocks_done=4, rows=40))
    assert "reading" in stream.getvalue()
    assert "100%" in stream.getvalue()
    assert "40 rows" in stream.getvalue()
