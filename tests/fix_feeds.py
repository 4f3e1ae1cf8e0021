"""Feeds for the tests: installed as the owner of the messenger does."""

from __future__ import annotations

import psycopg

from etl.feed.install import apply, install_script, uninstall_script
from olap.manifest import Mode
from olap.mapping import read_mapping
from olap.secret import Secret
from tests.fix_pipeline import Pipeline


def install_feed(pipeline: Pipeline, mode: Mode) -> None:
    """Install a feed for the mapping of a pipeline, and for its role."""
    with psycopg.connect(pipeline.url) as connection:
        role = connection.info.user
    mapping = read_mapping(pipeline.settings.source_mapping)
    apply(Secret(pipeline.url), install_script(mode, mapping, None, etl_role=role))


def uninstall_feed(pipeline: Pipeline, mode: Mode) -> None:
    """Take a feed away."""
    apply(Secret(pipeline.url), uninstall_script(mode, None))
