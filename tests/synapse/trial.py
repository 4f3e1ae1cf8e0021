"""One trial: rounds of use while cycles run, a comparison after each, and the final proofs."""

from __future__ import annotations

import random
import shutil
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from pathlib import Path

from etl.cycle import rebuild_warehouse, run_cycle
from etl.reconcile import Reconciled
from etl.sandbox.postgres import create_database, drop_database, postgres_server
from etl.verify import verify
from olap.days import DayRange
from olap.layout import Layout
from olap.secret import Secret
from olap.settings import Settings
from tests import contents
from tests.synapse.client import client_of
from tests.synapse.comparison import compare
from tests.synapse.driver import ACTIONS, Community
from tests.synapse.expectations import Person, during, together
from tests.synapse.server import Synapse, synapse_server

Say = Callable[[str], None]

DATABASE = "synapse"
ADMIN = "admin"
COMMUNITIES = 3
# Removals happen in every second round, so that the others show what is found without them.
ROUNDS = 4
_PAUSE_SECONDS = 0.2
_ALWAYS = DayRange(date.min, date.max)


@dataclass(slots=True)
class Outcome:
    """What was done and found.

    Attributes:
        servers: names and versions.
        seconds: that the driver was acting.
        done: how often each action was done.
        rows: how many rows of each table were expected in the end.
        compared, wrong_rows: how many rows of each table were compared in all rounds, and how many
            of them are wrong.
        wrong: a line for everything that is not as expected; empty if all is right.
        cycles, changed: how many cycles ran while the driver was acting, and with changes.
        recounted: days that these cycles read again because rows had been removed.
    """

    servers: str = ""
    seconds: float = 0.0
    done: Counter[str] = field(default_factory=Counter)
    rows: dict[str, int] = field(default_factory=dict)
    compared: Counter[str] = field(default_factory=Counter)
    wrong_rows: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    cycles: int = 0
    changed: int = 0
    recounted: int = 0


@dataclass(slots=True)
class Trial:
    """The analytics of a Synapse that is being used.

    Attributes:
        url: of Synapse's database.
        settings: of the pipeline, with a DATA_DIR of its own.
    """

    url: str
    settings: Settings
    communities: list[Community]
    outcome: Outcome

    def play_round(self, number: int, actions: int) -> None:
        """Let all communities act with cycles running, then compare everything.

        Raises:
            AnalyticsError: a request or a cycle fails.
        """
        may_remove = number % 2 == 0
        began, stop = time.monotonic(), threading.Event()
        with ThreadPoolExecutor(len(self.communities)) as pool:
            playing = [
                pool.submit(community.play, actions, stop, may_remove=may_remove)
                for community in self.communities
            ]
            try:
                while not all(future.done() for future in playing):
                    self._cycle(f"round {number}", may_remove=may_remove)
                    time.sleep(_PAUSE_SECONDS)
            finally:
                stop.set()
        self.outcome.seconds += time.monotonic() - began
        for future in playing:
            future.result()
        if not self._cycle(f"round {number}", may_remove=may_remove).is_settled:
            self.outcome.wrong.append(f"round {number}: the last cycle left differences")
        expected = together(community.expected for community in self.communities)
        for found in compare(Layout(self.settings.data_dir), expected):
            self.outcome.rows[found.table] = found.rows
            self.outcome.compared[found.table] += found.rows
            self.outcome.wrong_rows[found.table] += len(found.wrong)
            self.outcome.wrong += [f"round {number}, {found.table}: {line}" for line in found.wrong]

    def _cycle(self, when: str, *, may_remove: bool) -> Reconciled:
        report = run_cycle(self.settings, Secret(self.url), _now)
        outcome, miscounted = self.outcome, report.reconciled.miscounted
        outcome.cycles += 1
        outcome.changed += bool(report.rows_changed)
        outcome.recounted += len(miscounted)
        if miscounted and not may_remove:
            tables = ", ".join(sorted(miscounted))
            outcome.wrong.append(f"{when}: only a count found rows of {tables}")
        return report.reconciled

    def prove(self) -> None:
        """Verify; then compare what cycles made with a rebuild, and with a load from scratch.

        Synapse has stopped, so that nothing changes any more.
        """
        layout, url = Layout(self.settings.data_dir), Secret(self.url)
        run_cycle(self.settings, url, _now)
        found = verify(self.settings, url, _now, days=_ALWAYS).reconciled
        self.outcome.wrong += [f"verify: {difference}" for difference in found.differences]
        self.outcome.wrong += [f"verify: counts of {table}" for table in found.miscounted]
        incremental = contents.of_core(layout.pointer.resolve())
        rebuild_warehouse(self.settings, _now)
        self._require_equal("rebuilt", contents.of_core(layout.pointer.resolve()), incremental)
        scratch = replace(self.settings, data_dir=layout.root.with_name("scratch"))
        run_cycle(scratch, url, _now)
        loaded = contents.of_core(Layout(scratch.data_dir).pointer.resolve())
        self._require_equal("loaded from scratch", loaded, incremental)
        self.outcome.wrong += [f"{line}" for line in contents.offences(layout.pointer.resolve())]

    def _require_equal(
        self, what: str, found: dict[str, contents.Rows], expected: dict[str, contents.Rows]
    ) -> None:
        differences = contents.differences(found, expected)
        self.outcome.wrong += [f"{what}, {table}: {rows}" for table, rows in differences.items()]


def run_trial(home: Path, *, mapping: str, seed: int, actions: int, say: Say) -> Outcome:
    """Install and start everything, use it, and prove the result.

    Args:
        home: the directory for everything that is made.
        mapping: the name or the folder of the mapping.
        seed: of the random choices.
        actions: of each community, in all rounds together.

    Raises:
        AnalyticsError: a server does not start, or a cycle fails.
    """
    outcome = Outcome()
    for directory in (home / "data", home / "scratch"):
        shutil.rmtree(directory, ignore_errors=True)
    with postgres_server(home / "postgres") as server:
        drop_database(server.url(), DATABASE)
        url = create_database(server.url(), DATABASE, template="template0")
        # An hour that does not begin now: a daily proof would repair what a cycle missed.
        settings = Settings(
            source_mapping=mapping,
            data_dir=home / "data",
            verify_hour=(datetime.now(UTC).hour + 12) % 24,
            # In a messenger this small, one action removes more than the default.
            repair_max_percent=100,
        )
        say("starting Synapse; the first time, it is installed")
        with synapse_server(home, url) as synapse, _communities(synapse, seed) as communities:
            outcome.servers = f"Synapse {synapse.version} on PostgreSQL {server.version}"
            trial = Trial(url, settings, communities, outcome)
            for number in range(1, ROUNDS + 1):
                say(f"round {number} of {ROUNDS}")
                trial.play_round(number, actions // ROUNDS)
        say("verify, rebuild, and a load from scratch")
        trial.prove()
    for community in communities:
        outcome.done += community.done
    never = [action.name for action in ACTIONS if not outcome.done[action.name]]
    outcome.wrong += [f"never happened: {name}" for name in never]
    return outcome


@contextmanager
def _communities(synapse: Synapse, seed: int) -> Iterator[list[Community]]:
    """Communities with connections of their own, until the block ends."""
    with ExitStack() as stack:
        clients = [
            stack.enter_context(client_of(synapse, f"driver{number}"))
            for number in range(COMMUNITIES)
        ]
        admin, span = during(lambda: clients[0].register(ADMIN, display_name=ADMIN, is_admin=True))
        communities = [
            Community(client, admin, name, random.Random(f"{seed} {name}"))
            for name, client in zip("abc", clients, strict=True)
        ]
        communities[0].expected.people[admin.user_id] = Person(
            user_id=admin.user_id,
            name=ADMIN,
            is_bot=False,
            registered=span.in_seconds,
            is_active=False,  # takes no part
        )
        yield communities


def _now() -> datetime:
    return datetime.now(UTC)
