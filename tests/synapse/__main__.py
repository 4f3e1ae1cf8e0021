"""`python -m tests.synapse`: use a real Synapse while cycles run, compare, and print the report."""

from __future__ import annotations

import argparse
import secrets
import signal
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path

from olap.errors import AnalyticsError
from olap.log import configure
from tests.synapse.trial import ROUNDS, Outcome, run_trial

BUILD = Path(__file__).parents[2] / "build"
_SHOWN = 20


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the trial and return the process's exit code: 1 when anything is wrong."""
    options = _parser().parse_args(arguments)
    # Servers are stopped by the blocks that started them, so SIGTERM must end these too.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    configure(level="error")
    print(f"seed {options.seed}", file=sys.stderr, flush=True)
    try:
        outcome = run_trial(
            options.build.resolve() / "synapse",
            mapping=options.mapping,
            seed=options.seed,
            actions=options.actions,
            say=lambda line: print(line, file=sys.stderr, flush=True),
        )
    except AnalyticsError as error:
        print(f"error: {error.message}\n  {error.hint}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130
    print(report_text(outcome))
    return 1 if outcome.wrong else 0


def report_text(outcome: Outcome) -> str:
    """The report: figures, and the first lines of what is wrong."""
    done = ", ".join(f"{count:,} {name}" for name, count in outcome.done.most_common())
    lines = [
        f"{outcome.servers}: {outcome.done.total():,} actions in {outcome.seconds:.0f} s",
        *textwrap.wrap(done, 100, initial_indent="  ", subsequent_indent="  "),
        f"{outcome.cycles:,} cycles meanwhile, {outcome.changed:,} with changes; "
        f"{outcome.recounted:,} times a table had rows that Synapse had removed",
        f"compared with what was done, after each of {ROUNDS} rounds:",
        "  table            rows  compared  wrong",
        *(
            f"  {table:13} {rows:7,} {outcome.compared[table]:9,} {outcome.wrong_rows[table]:6,}"
            for table, rows in outcome.rows.items()
        ),
        "nothing is wrong: verify, a rebuild and a load from scratch are equal too"
        if not outcome.wrong
        else f"{len(outcome.wrong):,} things are wrong:",
        *(f"  {line}" for line in outcome.wrong[:_SHOWN]),
    ]
    return "\n".join(lines)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.synapse", description=__doc__)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**9), help="random")
    parser.add_argument(
        "--actions", type=int, default=600, help="of each of three communities; default 600"
    )
    parser.add_argument("--mapping", default="synapse", help="a name or a folder; default synapse")
    parser.add_argument("--build", type=Path, default=BUILD, help="the directory for synapse/")
    return parser


if __name__ == "__main__":
    sys.exit(main())
