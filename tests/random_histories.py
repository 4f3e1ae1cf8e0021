"""`python -m tests.random_histories`: play many long histories, from a seed that is printed first.

The steps of a history that fails are written to a file, and `--replay FILE` plays them again.
"""

from __future__ import annotations

import argparse
import itertools
import secrets
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec
import psycopg
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from etl.sandbox.postgres import create_database, drop_database, postgres_server
from olap.manifest import Mode
from tests.histories import EXPECTED, History, HistoryMachine, Step
from tests.source_schemas import MESSENGER, SCHEMAS, SourceSchema

FAILED = Path(__file__).parents[1] / "build" / "failed-history.json"
LENGTH = 25
_numbers = itertools.count(1)


def main(arguments: Sequence[str] | None = None) -> int:
    """Play histories until the time is over or one fails, and return the process's exit code."""
    options = _parser().parse_args(arguments)
    schema = next(found for found in SCHEMAS if found.name == options.schema)
    mode = Mode(options.mode)
    print(f"seed {options.seed}", flush=True)
    with (
        tempfile.TemporaryDirectory(prefix="histories-pg-") as directory,
        postgres_server(Path(directory)) as server,
    ):
        if options.replay:
            return replay(server.url(), schema, mode, options.replay)
        deadline = time.monotonic() + 60 * options.minutes
        return play(server.url(), schema, mode, options.seed, deadline=deadline)


def play(server: str, schema: SourceSchema, mode: Mode, first_seed: int, *, deadline: float) -> int:
    """Play histories, each with its own seed; 1 when one fails or an action never happened."""
    tally: Counter[str] = Counter()
    for number in itertools.count(first_seed):
        if time.monotonic() >= deadline:
            break
        played: list[History] = []
        with _fresh_histories(server, schema, mode, played) as make:

            def machine(make: Iterator[History] = make) -> HistoryMachine:
                return HistoryMachine(next(make), tally)

            try:
                run_state_machine_as_test(
                    seed(number)(machine),  # type: ignore[arg-type]
                    settings=settings(
                        max_examples=4,
                        stateful_step_count=LENGTH,
                        database=None,
                        deadline=None,
                        suppress_health_check=list(HealthCheck),
                        phases=[Phase.explicit, Phase.reuse, Phase.generate],
                    ),
                )
            except Exception:
                traceback.print_exc()
                FAILED.parent.mkdir(exist_ok=True)
                FAILED.write_bytes(msgspec.json.encode(played[-1].steps))
                command = f"python -m tests.random_histories --schema {schema.name} --mode {mode}"
                print(f"seed {number} failed; {command} --replay {FAILED}")
                return 1
    for kind in sorted({*EXPECTED[mode], *tally}):
        print(f"{tally[kind]:8} {kind}")
    missing = [kind for kind in EXPECTED[mode] if not tally[kind]]
    if missing:
        print(f"never happened: {', '.join(missing)}")
    return 1 if missing else 0


def replay(server: str, schema: SourceSchema, mode: Mode, file: Path) -> int:
    """Play the steps of a file again."""
    steps = msgspec.json.decode(file.read_bytes(), type=list[Step])
    with _fresh_histories(server, schema, mode, []) as histories:
        history = next(histories)
        try:
            for step in steps:
                history.play(step)
        except Exception:
            traceback.print_exc()
            return 1
        finally:
            history.close()
    print("every generation equals its snapshot")
    return 0


@contextmanager
def _fresh_histories(
    server: str, schema: SourceSchema, mode: Mode, played: list[History]
) -> Iterator[Iterator[History]]:
    """Histories, each with its own database and DATA_DIR, until the block ends."""
    names: list[str] = []

    def make(directory: Path) -> Iterator[History]:
        while True:
            names.append(f"history_{next(_numbers)}")
            url = create_database(server, names[-1], template="template1")
            with psycopg.connect(url) as connection:
                schema.create(connection)
            played.append(History(server, url, directory / names[-1], schema, mode))
            yield played[-1]

    with tempfile.TemporaryDirectory(prefix="histories-") as directory:
        try:
            yield make(Path(directory))
        finally:
            for name in names:
                drop_database(server, name)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.random_histories", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30, help="how long (30)")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**9), help="random")
    names = [schema.name for schema in SCHEMAS]
    parser.add_argument("--schema", choices=names, default=MESSENGER.name, help="of the source")
    modes = [mode.value for mode in Mode]
    parser.add_argument("--mode", choices=modes, default=Mode.SCAN.value, help="ETL_MODE")
    parser.add_argument("--replay", type=Path, help="play the steps of a failed history")
    return parser


if __name__ == "__main__":
    sys.exit(main())
