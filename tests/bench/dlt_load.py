"""A first load with dlt: its `sql_table` over ConnectorX into a DuckDB file.

    build/bench/venv/bin/python tests/bench/dlt_load.py '{"url": …}'

This script runs in the environment of the peers and imports nothing of the project. `dlt_peer`
starts it and explains the comparison. It prints the seconds of each step as JSON.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import dlt  # type: ignore[import-not-found]
from dlt.sources.sql_database import sql_table  # type: ignore[import-not-found]


def main(order: dict[str, Any]) -> None:
    """Load the views `order["views"]` of the schema `order["schema"]`.

    Args:
        order: also `url` for SQLAlchemy, `connectorx_url`, and the paths of the `database`
            (a file) and the `pipelines` (a directory).
    """
    resources = [
        sql_table(
            order["url"],
            view,
            schema=order["schema"],
            backend="connectorx",
            backend_kwargs={"conn": order["connectorx_url"]},
        ).parallelize()
        for view in order["views"]
    ]
    pipeline = dlt.pipeline(
        "bench",
        pipelines_dir=order["pipelines"],
        destination=dlt.destinations.duckdb(order["database"]),
        dataset_name=order["schema"],
    )
    seconds: dict[str, float] = {}
    started = time.perf_counter()
    pipeline.extract(resources, write_disposition="replace")
    seconds["extract"] = time.perf_counter() - started
    started = time.perf_counter()
    pipeline.normalize()
    seconds["normalize"] = time.perf_counter() - started
    started = time.perf_counter()
    pipeline.load(raise_on_failed_jobs=True)
    seconds["load"] = time.perf_counter() - started
    print(json.dumps(seconds))


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
