"""`python -m tests.bench`: prepare what is needed, measure, print the tables, write the JSON."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from olap.errors import AnalyticsError
from olap.layout import Layout
from olap.manifest import Mode
from tests.bench.api_times import measure_api
from tests.bench.backfills import measure_backfills
from tests.bench.changes import measure_cycles
from tests.bench.delta_commits import COMMITS, measure_delta
from tests.bench.engine_times import SERVERS, measure_engine
from tests.bench.generated_lake import generated_lake
from tests.bench.hostile import measure_hostile
from tests.bench.live_times import measure_live
from tests.bench.loads import Loads, measure_loads
from tests.bench.machine import describe_machine
from tests.bench.metric_times import measure_metrics
from tests.bench.page_views import measure_page
from tests.bench.parts import Part, PartName
from tests.bench.peer_times import measure_peers
from tests.bench.peers import PeerMode, Peers
from tests.bench.proofs import measure_proofs
from tests.bench.report import read_report, report_text
from tests.bench.soak import measure_soak
from tests.bench.source import Say, messengers, traffic_plan
from tests.bench.source_costs import measure_source_costs

BUILD = Path(__file__).parents[2] / "build"
PEERS = BUILD / "bench" / "venv"

# A backfill, a soak, an engine and the larger sizes run only when named: they need much time, disk
# or memory.
_NAMED_ONLY = (PartName.BACKFILL, PartName.SOAK, PartName.ENGINE)
BY_DEFAULT = tuple(name for name in PartName if name not in _NAMED_ONLY)
# The peer that a part is compared with.
PEER_OF = {PartName.LOADS: "dlt", PartName.PEERS: "chDB"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the bench and return the process's exit code; a missed goal is not a failure."""
    options = _parser().parse_args(arguments)
    output: Path = options.build / "bench.json"
    report = read_report(output)
    try:
        for messages in options.messages:
            for part in measure(
                options.build.resolve() / "bench",
                options.only or BY_DEFAULT,
                messages=messages,
                rounds=options.rounds,
                cycles=options.cycles,
                modes=options.mode,
                times=options.times,
                seconds=options.seconds,
                changes=options.changes,
                servers=options.servers,
                peer_mode=options.peers,
                say=lambda line: print(line, file=sys.stderr, flush=True),
            ):
                report = report.with_part(part)
                output.write_bytes(report.to_json())
    except AnalyticsError as error:
        print(f"error: {error.message}\n  {error.hint}", file=sys.stderr)
        return error.exit_code
    print(report_text(report))
    print(f"\nEvery run behind these figures: {output}")
    return 0


def measure(
    home: Path,
    parts: Sequence[PartName],
    *,
    messages: int,
    rounds: int,
    cycles: int,
    modes: Sequence[Mode],
    times: int,
    seconds: float,
    changes: int,
    servers: Sequence[int],
    peer_mode: PeerMode,
    say: Say,
) -> Iterator[Part]:
    """Measure some parts, one after the other.

    Args:
        home: the directory for everything that is generated.
        messages: of each messenger.
        rounds: how often each first load, backfill, verify and load of the API runs.
        cycles: how many cycles with changes in each mode, or generations published under load.
        modes: of the cycles with changes.
        times: how often each question is asked.
        seconds: how long each load of the API, and each hostile scenario, lasts.
        changes: how often the generation changes in a soak.
        servers: the workers of each server of Sail; 0 = everything in one process.
        peer_mode: whether dlt and chDB are installed and measured.
        say: receives lines about the progress.

    Raises:
        AnalyticsError: something that is measured failed, or what it needs cannot be made.
    """
    peers = _peers(peer_mode, parts, say)
    data_dir, plan = home / "data", traffic_plan(messages)
    with messengers(home / "postgres", messages, say) as made:

        def described(name: PartName) -> Part:
            is_missing = peers is None and name in PEER_OF
            return Part(
                name=name,
                messages=messages,
                shape=made.shape,
                measured_at=datetime.now(UTC),
                machine=describe_machine(made.server_version),
                missing_peer=PEER_OF[name] if is_missing else None,
            )

        def loads(name: str, url: str) -> Loads:
            return measure_loads(name, url, data_dir, rounds=rounds, peers=peers, say=say)

        for name in parts:
            if name is PartName.METRICS:
                part = replace(described(name), shape=f"over {plan.days:,} days")
                lake = generated_lake(plan, home / f"lake_{messages}", say)
                yield replace(part, metrics=measure_metrics(Layout(lake).pointer, say, times=times))
                continue
            if name is PartName.API:
                part = replace(described(name), shape=f"over {plan.days:,} days")
                api = measure_api(
                    generated_lake(plan, home / f"lake_{messages}", say),
                    home / f"api_{messages}",
                    say,
                    rounds=rounds,
                    times=times,
                    switches=cycles,
                    seconds=seconds,
                )
                yield replace(part, api=api)
                continue
            if name is PartName.ENGINE:
                part = replace(described(name), shape=f"over {plan.days:,} days")
                lake = generated_lake(plan, home / f"lake_{messages}", say)
                figures = measure_engine(
                    lake, home / f"engine_{messages}", say, servers=servers, times=times
                )
                yield replace(part, engine=figures)
                continue
            if name in (PartName.HOSTILE, PartName.SOAK, PartName.LIVE, PartName.PAGE):
                part = replace(described(name), shape=f"over {plan.days:,} days")
                lake = generated_lake(plan, home / f"lake_{messages}", say)
                here = home / f"{name}_{messages}"
                if name is PartName.LIVE:
                    live = measure_live(
                        lake, here, say, rounds=rounds, changes=cycles, seconds=seconds
                    )
                    yield replace(part, live=live)
                elif name is PartName.PAGE:
                    yield replace(part, page=measure_page(lake, here, say, times=times))
                elif name is PartName.SOAK:
                    yield replace(part, soak=measure_soak(lake, here, say, changes=changes))
                else:
                    hostile = measure_hostile(lake, here, say, seconds=seconds)
                    yield replace(part, hostile=hostile)
                continue
            if name is PartName.DELTA:
                commits = measure_delta(home / "delta", say, commits=min(COMMITS, changes))
                shape = f"{commits.days:,} days of four facts, files without content"
                yield replace(described(name), shape=shape, delta=commits)
                continue
            is_changed = name in (PartName.CYCLES, PartName.SOURCE)
            url = made.to_change() if is_changed else made.everything()
            part = described(name)
            if name is PartName.LOADS:
                both = loads("everything", url), loads("messages only", made.messages_only())
                yield replace(part, loads=both)
            elif name is PartName.BACKFILL:
                found = measure_backfills(url, data_dir, rounds=rounds, say=say)
                yield replace(part, backfills=found)
            elif name is PartName.CYCLES:
                kept = home / f"cycles_{messages}"
                found = measure_cycles(url, kept, modes, cycles=cycles, say=say)
                yield replace(part, cycles=found)
            elif name is PartName.SOURCE:
                costs = measure_source_costs(url, messages=messages, rounds=rounds, say=say)
                yield replace(part, source_costs=costs)
            elif name is PartName.PEERS:
                compared = measure_peers(url, data_dir, peers=peers, times=times, say=say)
                yield replace(part, peers=compared)
            else:
                proofs = measure_proofs(url, data_dir, rounds=rounds, say=say)
                yield replace(part, proofs=proofs)


def _peers(mode: PeerMode, parts: Sequence[PartName], say: Say) -> Peers | None:
    """The environment of the peers; None when it is not needed, not wanted or not installed."""
    if mode is PeerMode.NONE or not set(PEER_OF).intersection(parts):
        return None
    peers = Peers(PEERS)
    if mode is PeerMode.INSTALL:
        say("installing the peers, unless they are installed")
        peers.install()
    elif not peers.is_installed:
        say(f"the peers are not installed in {peers.directory}: measuring without them")
        return None
    return peers


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument(
        "--only",
        type=PartName,
        choices=list(PartName),
        action="append",
        help="measure this part alone (may be repeated); default: all but backfill, soak, engine",
    )
    parser.add_argument(
        "--messages",
        type=_counts,
        default=(5_000_000,),
        help="the sizes, such as 2000000,10000000; default 5000000",
    )
    parser.add_argument(
        "--rounds",
        type=_count,
        default=3,
        help="first loads, backfills, verifies, loads of the API; default 3",
    )
    parser.add_argument(
        "--cycles",
        type=_count,
        default=5,
        help="cycles with 10,000 changes in each mode, or publications under load; default 5",
    )
    parser.add_argument(
        "--mode",
        type=_modes,
        default=tuple(Mode),
        help=f"of the cycles, such as scan,slot; default {','.join(Mode)}",
    )
    parser.add_argument("--times", type=_count, default=5, help="each question; default 5")
    parser.add_argument("--seconds", type=_count, default=5, help="each load of the API; default 5")
    parser.add_argument(
        "--changes", type=_count, default=2000, help="changes of generation in a soak; default 2000"
    )
    parser.add_argument(
        "--servers",
        type=_workers,
        default=SERVERS,
        help="the workers of each server of an engine, 0 = one process; default 0,1,2",
    )
    parser.add_argument(
        "--peers",
        type=PeerMode,
        choices=list(PeerMode),
        default=PeerMode.INSTALL,
        help="dlt and chDB: install and measure them (default), measure them if installed, or none",
    )
    parser.add_argument(
        "--build", type=Path, default=BUILD, help="the directory for bench/ and bench.json"
    )
    return parser


def _counts(text: str) -> tuple[int, ...]:
    return tuple(_count(word) for word in text.split(","))


def _workers(text: str) -> tuple[int, ...]:
    return tuple(int(word) for word in text.split(","))


def _modes(text: str) -> tuple[Mode, ...]:
    return tuple(Mode(word) for word in text.split(","))


def _count(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return value


if __name__ == "__main__":
    sys.exit(main())
