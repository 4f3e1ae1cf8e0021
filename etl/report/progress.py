"""The progress of a backfill: a bar on a terminal, lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

from rich.console import Console
from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from etl.backfill import Progress

LINE_SECONDS = 5.0


@contextmanager
def shown_progress(stream: TextIO) -> Iterator[Callable[[Progress], None]]:
    """A function that shows the progress of a backfill: a bar on a terminal, lines elsewhere."""
    if stream.isatty():
        with _bar(Console(file=stream)) as show:
            yield show
    else:
        yield _progress_lines(stream, time.monotonic)


@contextmanager
def _bar(console: Console) -> Iterator[Callable[[Progress], None]]:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        TaskProgressColumn(),
        TextColumn("{task.fields[rows]}"),
        TimeRemainingColumn(),
    )
    with Bar(*columns, console=console) as bar:
        task = bar.add_task("reading", total=None, rows="")

        def show(progress: Progress) -> None:
            bar.update(
                task,
                description=_activity(progress),
                total=max(progress.blocks, 1),
                completed=progress.blocks_done,
                rows=f"{progress.rows:,} rows",
            )

        yield show


def _progress_lines(stream: TextIO, monotonic: Callable[[], float]) -> Callable[[Progress], None]:
    last: tuple[float, Progress] | None = None

    def show(progress: Progress) -> None:
        nonlocal last
        now = monotonic()
        is_end = progress.blocks_done == progress.blocks
        if last and ((now - last[0] < LINE_SECONDS and not is_end) or progress == last[1]):
            return
        last = (now, progress)
        percent = 100 * progress.blocks_done / max(progress.blocks, 1)
        print(
            f"{_activity(progress)}: {progress.blocks_done:,} of {progress.blocks:,} blocks "
            f"({percent:.0f} %), {progress.rows:,} rows",
            file=stream,
            flush=True,
        )

    return show


def _activity(progress: Progress) -> str:
    if progress.lag_bytes is None:
        return "reading"
    return f"waiting for a replica that is {progress.lag_bytes / 1e6:,.0f} MB behind"
