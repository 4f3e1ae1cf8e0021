"""`python -m olap catalog | check`: the catalogue of metrics as Markdown, and the checks.

`catalog` prints what stands in `sql/README.md`. `check` runs every file of `sql/checks` on the
published generation; each selects offenders, so no row is the answer of a healthy file.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

import duckdb

from olap import sqlfiles
from olap.catalog_text import catalog_text
from olap.errors import AnalyticsError, PublishError
from olap.layout import Layout
from olap.proofs import offences
from olap.settings import Settings


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the process's exit code."""
    parser = argparse.ArgumentParser(prog="python -m olap", description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(required=True, metavar="command")
    commands.add_parser("catalog", help="print sql/README.md").set_defaults(command=_catalog)
    commands.add_parser("check", help="run sql/checks on the published file").set_defaults(
        command=_check
    )
    options = parser.parse_args(arguments)
    try:
        return int(options.command(Settings.from_env(os.environ)))
    except AnalyticsError as error:
        print(f"error: {error.message}\n  {error.hint}", file=sys.stderr)
        return error.exit_code


def _catalog(settings: Settings) -> int:
    print(catalog_text(), end="")
    return 0


def _check(settings: Settings) -> int:
    layout = Layout(settings.data_dir)
    if not layout.pointer.exists():
        raise PublishError(
            f"nothing is published in {layout.root}", hint="Run a cycle first: `make etl`."
        )
    with duckdb.connect(str(layout.pointer.resolve()), read_only=True) as connection:
        found = list(offences(connection))
    for name in sqlfiles.names("checks"):
        check = name.rpartition("/")[2]
        offenders = [offence for broken, offence in found if broken == check]
        print(f"{check}: {'' if offenders else 'ok'}".rstrip())
        for offence in offenders:
            print(f"  {' '.join(map(str, offence))}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
