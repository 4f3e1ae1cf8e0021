"""The catalogue of metrics as `sql/README.md`: what files and engine say, put side by side."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from olap.catalog import Metric, metrics
from olap.layout import Layout
from olap.warehouse import open_warehouse

Columns = list[tuple[str, str]]


def catalog_text() -> str:
    """`sql/README.md`: every metric with its rules, parameters, columns and fingerprint."""
    lines = [
        "# Metrics",
        "",
        "Made by `make catalog`; a test fails when it is stale. Each metric is a table macro",
        "in every published file: `from metrics.<name>(...)`. A version keeps its meaning for",
        "good, and with it its fingerprint. `until` is `data_through` unless given; times are",
        "UTC; ids are the source's; `visible_to` is the user who asks, null an administrator.",
    ]
    with tempfile.TemporaryDirectory() as directory, _described(Path(directory)) as columns_of:
        for metric in metrics():
            lines += [
                "",
                f"## {metric.macro}",
                "",
                f"{metric.definition} Grain: {metric.grain}. Scope: {metric.scope}.",
                "",
                metric.rules,
                "",
                f"    metrics.{metric.name}({', '.join(metric.parameters)})",
                "",
                "| column | type |",
                "|---|---|",
                *(f"| `{name}` | {kind.lower()} |" for name, kind in columns_of(metric)),
                "",
                f"Fingerprint `{metric.fingerprint}`.",
            ]
    return "\n".join(lines) + "\n"


@contextmanager
def _described(directory: Path) -> Iterator[Callable[[Metric], Columns]]:
    """Gives the columns of a metric, with their types, as the engine knows them."""
    layout = Layout(directory)
    layout.create()
    with open_warehouse(layout, memory_limit="200MB", threads=1) as warehouse:

        def columns_of(metric: Metric) -> Columns:
            # A default is not named; what has none is a time or an id.
            needed = [given for given in metric.parameters if ":=" not in given]
            values = ("timestamp '2026-01-01'" if "timestamp" in n else "null" for n in needed)
            question = f"describe from metrics.{metric.macro}({', '.join(values)})"
            return [row[:2] for row in warehouse.connection.execute(question).fetchall()]

        yield columns_of
