"""`python -m tests.bench`: make what is needed, measure, print the tables, write the JSON."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from olap.errors import AnalyticsError
from tests.bench.changes import measure_cycles
from tests.bench.dlt_peer import DltPeer
from tests.bench.goals import judge
from tests.bench.loads import Loads, measure_loads
from tests.bench.machine import describe_machine
from tests.bench.report import FORMAT, CycleTimes, Report, Speeds, report_text
from tests.bench.source import Say, messengers

BUILD = Path(__file__).parents[2] / "build"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the bench; the process's exit code. A goal that was missed is no failure of it."""
    options = _parser().parse_args(arguments)
    try:
        report = measure(
            options.build.resolve() / "bench",
            messages=options.messages,
            rounds=options.rounds,
            cycles=options.cycles,
            has_peers=options.peers,
            say=lambda line: print(line, file=sys.stderr, flush=True),
        )
    except AnalyticsError as error:
        print(f"error: {error.message}\n  {error.hint}", file=sys.stderr)
        return error.exit_code
    output = options.build / "bench.json"
    output.write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=1) + b"\n")
    print(report_text(report))
    print(f"\nEvery run behind these figures: {output}")
    return 0


def measure(
    home: Path, *, messages: int, rounds: int, cycles: int, has_peers: bool, say: Say
) -> Report:
    """Take every figure.

    Args:
        home: what is made, once or for this run, lies below.
        messages: of both messengers.
        rounds: how often each first load runs.
        cycles: how many cycles with changes.
        has_peers: whether dlt is installed and measured.
        say: told what is going on.

    Raises:
        AnalyticsError: something that is measured failed, or what it needs cannot be made.
    """
    peer = DltPeer(home) if has_peers else None
    if peer is not None:
        say("installing the peers, if need be")
        peer.install()
    data_dir = home / "data"
    with messengers(home / "postgres", messages, say) as made:
        machine = describe_machine(made.server_version)

        def loads(name: str, url: str) -> Loads:
            return measure_loads(name, url, data_dir, rounds=rounds, peer=peer, say=say)

        messages_only = loads("messages only", made.messages_only())
        # The cycles go on from the last load of this one, so it comes last.
        url = made.everything(say)
        everything = loads("everything", url)
        measured_cycles = measure_cycles(url, data_dir, cycles=cycles, say=say)
    both = (everything, messages_only)
    return Report(
        format=FORMAT,
        measured_at=datetime.now(UTC),
        messages=messages,
        rounds=rounds,
        machine=machine,
        verdicts=tuple(verdict for measured in both for verdict in judge(measured)),
        speeds=tuple(Speeds.of(measured) for measured in both),
        cycle=CycleTimes.of(measured_cycles),
        loads=both,
        cycles=measured_cycles,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--messages", type=_count, default=5_000_000, help="default 5000000")
    parser.add_argument("--rounds", type=_count, default=3, help="first loads of each messenger")
    parser.add_argument("--cycles", type=_count, default=5, help="cycles with 10,000 changes")
    parser.add_argument(
        "--no-peers", dest="peers", action="store_false", help="do not install or run dlt"
    )
    parser.add_argument(
        "--build", type=Path, default=BUILD, help="where bench/ and bench.json are kept"
    )
    return parser


def _count(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return value


if __name__ == "__main__":
    sys.exit(main())
