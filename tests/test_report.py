"""What the command line prints: progress, wrapped sentences, and the log file."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from unittest.mock import patch

import pytest

from etl.backfill import Progress
from etl.report.progress import LINE_SECONDS, shown_progress
from etl.report.results import generation_text
from olap import log
from olap.log import LogFile
from olap.terminal import show
from tests.fix_pipeline import Pipeline
from tests.world import World, at


class Terminal(io.StringIO):
    """A stream that is a terminal."""

    def isatty(self) -> bool:
        """True."""
        return True


def test_progress_is_a_line_every_few_seconds() -> None:
    """Without a terminal: the first line, the last, and one per `LINE_SECONDS` in between."""
    stream, now = io.StringIO(), [0.0]
    with patch("time.monotonic", lambda: now[0]), shown_progress(stream) as progress:
        for done in range(5):
            progress(Progress(blocks=4, blocks_done=done, rows=10 * done))
            now[0] += LINE_SECONDS * 0.6
        progress(Progress(blocks=4, blocks_done=4, rows=40))
    assert stream.getvalue().splitlines() == [
        "reading: 0 of 4 blocks (0 %), 0 rows",
        "reading: 2 of 4 blocks (50 %), 20 rows",
        "reading: 4 of 4 blocks (100 %), 40 rows",
    ]


def test_a_pause_names_its_reason() -> None:
    """While a replica is behind, the line says how far."""
    stream = io.StringIO()
    with shown_progress(stream) as progress:
        progress(Progress(blocks=4, blocks_done=1, rows=10, lag_bytes=25_000_000))
    assert stream.getvalue().startswith("waiting for a replica that is 25 MB behind: 1 of 4 blocks")


def test_a_terminal_gets_a_progress_bar() -> None:
    """The bar has the percentage and the rows."""
    stream = Terminal()
    environment = patch.dict("os.environ", {"TERM": "xterm", "COLUMNS": "100"})
    with environment, shown_progress(stream) as progress:
        progress(Progress(blocks=4, blocks_done=4, rows=40))
    assert "reading" in stream.getvalue()
    assert "100%" in stream.getvalue()
    assert "40 rows" in stream.getvalue()


def test_a_terminal_gets_wrapped_sentences_and_whole_tables() -> None:
    """Long sentences are wrapped with their indentation, tables are not, and pipes get neither."""
    sentence, table = f"  a {'word ' * 30}".rstrip(), "table  " + "9" * 90
    terminal, pipe = Terminal(), io.StringIO()
    with patch.dict("os.environ", {"COLUMNS": "80"}):
        show(f"{sentence}\n{table}\n", terminal)
        show(f"{sentence}\n{table}", pipe)
    first, second, third = terminal.getvalue().splitlines()
    assert f"{first} {second.strip()}" == sentence
    assert len(first) <= 80 and second.startswith("  word")
    assert third == table
    assert pipe.getvalue().splitlines() == [sentence, table]


def test_a_log_file_is_created_by_its_first_line(tmp_path: Path) -> None:
    """A command that logs nothing leaves no file; lines are appended."""
    file = LogFile(tmp_path / "new" / "etl.log")
    log.configure("json", file=file)
    assert not file.path.exists()
    for event in ("one", "two"):
        log.get_logger("test").info(event)
        file.close()
    assert [f'"event": "{event}"' in line for event, line in lines(file.path)] == [True, True]


def test_a_log_that_cannot_be_written_goes_to_standard_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A directory without write access costs no command its work, and no line is lost."""
    (tmp_path / "file").touch()
    file = LogFile(tmp_path / "file" / "etl.log")
    file.write("a line\n")
    file.flush()
    assert not file.is_open
    file.close()
    assert capsys.readouterr().err == "a line\n"
    assert not sys.stderr.closed


def lines(path: Path) -> list[tuple[str, str]]:
    """The two lines of a log, each with the event it should have."""
    return list(zip(("one", "two"), path.read_text().splitlines(), strict=True))


def test_the_summary_of_a_cycle_does_not_open_the_generation(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A generation is described by its manifest alone, so that its size costs nothing."""
    with World(pipeline.url) as world:
        world.user()
        world.conversation()
        world.message(1)
        world.message(2, created_at=at(days=-1))
        pipeline.cycle()
    monkeypatch.setattr("duckdb.connect", None)
    text = generation_text(pipeline.layout)
    assert "Generation 1 in" in text
    assert "2 messages on 2 days, 1 users, 1 conversations" in text
