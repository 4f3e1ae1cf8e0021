"""The commands of the pipeline, declared."""

from __future__ import annotations

import argparse
import re
from datetime import date

from olap.commands import Command, day, whole


def _cycle_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--every", type=whole(1, 86_400), nargs="?", const=0, metavar="SECONDS",
        help="repeat the cycle (default: once; without SECONDS every ETL_INTERVAL_SECONDS)",
    )  # fmt: skip
    parser.add_argument("--full", action="store_true",
        help="read every table in full, and accept another source than last time",
    )  # fmt: skip
    parser.add_argument("--yes", action="store_true",
        help="with --full: remove what is gone at the source, however much it is",
    )  # fmt: skip


def _backfill_arguments(parser: argparse.ArgumentParser) -> None:
    _add_days(parser, "to keep (default: no end)")
    parser.add_argument(
        "--jobs", type=whole(1, 64), default=2, help="number of readers (default: 2)"
    )
    parser.add_argument("--pause-above-lag", type=whole(0), metavar="MB",
        help="pause while a replica is further behind than this (default: never)",
    )  # fmt: skip
    parser.add_argument(
        "--restart", action="store_true", help="discard an unfinished backfill first"
    )


def _verify_arguments(parser: argparse.ArgumentParser) -> None:
    _add_days(parser, "to compare (default: the last)")
    parser.add_argument("--repair", action="store_true", help="read again what differs")
    parser.add_argument("--yes", action="store_true",
        help="allow the repair to remove more than REPAIR_MAX_PERCENT of a table",
    )  # fmt: skip


def _erase_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("user", metavar="USER", help="the id of the user")


def _json_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="as one JSON object")


def _copy_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("mapping", metavar="MAPPING", help="the name of a mapping, such as example")
    parser.add_argument("folder", metavar="FOLDER", help="the folder to make")


def _install_arguments(parser: argparse.ArgumentParser) -> None:
    _feed_arguments(parser)
    parser.add_argument("--role", metavar="NAME",
        help="the role of the ETL (default: the one in DATABASE_URL, else analytics_etl)",
    )  # fmt: skip
    parser.add_argument("--wal-limit", type=_wal_limit, default="10GB", metavar="SIZE",
        help="what max_slot_wal_keep_size becomes if slots have no limit (default: 10GB)",
    )  # fmt: skip


def _feed_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("feed", choices=("slot", "log"),
        help="a replication slot, or a table that triggers write",
    )  # fmt: skip
    parser.add_argument("--apply", action="store_true",
        help="run the SQL with DATABASE_URL, which then names the owner (default: print it)",
    )  # fmt: skip


def _wal_limit(text: str) -> str:
    if re.fullmatch(r"[1-9][0-9]{0,6}(MB|GB|TB)", text) is None:
        raise argparse.ArgumentTypeError("must be a size such as 900MB or 10GB")
    return text


def _add_days(parser: argparse.ArgumentParser, purpose: str) -> None:
    parser.add_argument("--from", dest="first", type=day, default=date.min, metavar="DAY",
        help="first UTC day (default: the first with data)",
    )  # fmt: skip
    parser.add_argument("--to", dest="last", type=day, default=date.max, metavar="DAY",
        help=f"last UTC day {purpose}",
    )  # fmt: skip


COMMANDS = (
    Command(
        name="etl",
        name_in_package="run",
        about="run one cycle, or a cycle every few seconds",
        target="etl.__main__:run",
        arguments=_cycle_arguments,
        examples={
            "": "one cycle on DATABASE_URL, or on the sandbox",
            "--every 300": "a service: a cycle every five minutes",
            "--full": "after a failover or a restore of the source",
        },
    ),
    Command(
        name="backfill",
        about="load a large messenger, or more of its days",
        target="etl.__main__:fill",
        arguments=_backfill_arguments,
        examples={
            "--jobs 4": "everything, with four readers",
            "--from 2025-01-01 --pause-above-lag 100": "these days, and mind the replicas",
        },
    ),
    Command(
        name="status",
        about="show how fresh and healthy the data are",
        target="etl.__main__:show_status",
        arguments=_json_arguments,
        examples={"": "exit code 0, 1 or 2: OK, WARNING, CRITICAL", "--json": "for programs"},
    ),
    Command(
        name="verify",
        about="compare the data with the source",
        target="etl.__main__:compare",
        arguments=_verify_arguments,
        examples={
            "": "everything; changes nothing",
            "--from 2026-11-01 --to 2026-11-07": "a week",
            "--repair": "and read again what differs",
        },
    ),
    Command(
        name="erase",
        about="remove every trace of a deleted user",
        target="etl.__main__:forget",
        arguments=_erase_arguments,
        examples={"4711": "prints a receipt of what was searched"},
    ),
    Command(
        name="source check",
        about="try the mapping on the source; writes nothing",
        target="etl.source_commands:try_mapping",
        arguments=_json_arguments,
        examples={"": "names each defect and what to write", "--json": "for programs"},
    ),
    Command(
        name="source role",
        about="print the SQL of a role that can read the source",
        target="etl.source_commands:print_role",
        examples={"": "for the owner of the messenger's tables"},
    ),
    Command(
        name="source copy",
        about="copy a mapping, to change it",
        target="etl.source_commands:copy_mapping",
        arguments=_copy_arguments,
        examples={"example ./chat": "then set SOURCE_MAPPING=./chat"},
    ),
    Command(
        name="source install",
        about="print the SQL that makes the source tell what changed",
        target="etl.source_commands:install_feed",
        arguments=_install_arguments,
        examples={
            "slot": "for the owner of the messenger: keys of changed rows from the WAL",
            "log --role analytics_etl": "by triggers, where slots are forbidden",
            "slot --apply --role analytics_etl": "run it, with the owner in DATABASE_URL",
        },
    ),
    Command(
        name="source uninstall",
        about="print the SQL that takes away what `source install` made",
        target="etl.source_commands:uninstall_feed",
        arguments=_feed_arguments,
        examples={"slot": "for the owner of the messenger", "slot --apply": "run it"},
    ),
    Command(
        name="rebuild",
        about="rebuild the warehouse from the lake alone",
        target="etl.__main__:rebuild",
        examples={"": "without PostgreSQL"},
    ),
    Command(
        name="publish",
        about="publish again, with the metrics of this version",
        target="etl.__main__:publish",
        examples={"": "after an upgrade, before the API restarts"},
    ),
    Command(
        name="demo",
        about="run a live sandbox, a cycle every 15 seconds, and the API",
        target="etl.__main__:demo",
        examples={"": "until Ctrl-C; needs the extra `sandbox`"},
    ),
)
