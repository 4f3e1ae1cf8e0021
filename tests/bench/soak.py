"""Whether a worker's memory stays flat while generations change and the same questions are asked.

Each change gives the published file the next number (a hard link, and a manifest with that number),
so a change costs the API everything that a cycle's would, and the bench almost nothing. The worker
(`hurried`) looks for changes every twentieth of a second instead of every second.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import median

import httpx
import msgspec

from api.app import PREFIX
from api.auth import Role
from olap.errors import AnalyticsError
from olap.generations import current
from olap.layout import Layout
from olap.manifest import Manifest, read_manifest
from tests.api.servers import Server, server
from tests.api.tokens import token
from tests.bench.lake_copy import lake_copy
from tests.bench.source import Say

QUESTIONS = (
    "/dashboard?days=14",
    "/top-senders?days=30",
    "/timeline?days=30&interval=daily",
    "/engagement?days=30",
    "/active-users?hours=48",
)
_KEPT = 3
_SAMPLES = 100
_SERVED_SECONDS = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Soak:
    """The resident memory of a worker over changes of generation.

    Attributes:
        resident_bytes: after a hundredth of the changes, two hundredths, and so on.
    """

    changes: int
    resident_bytes: tuple[int, ...]

    @property
    def growth_bytes(self) -> float:
        """By how much the last fifth is above the second one, by medians.

        The first fifth is left out: caches that are bounded fill up in it.
        """
        fifth = max(1, len(self.resident_bytes) // 5)
        return median(self.resident_bytes[-fifth:]) - median(self.resident_bytes[fifth : 2 * fifth])


def measure_soak(lake: Path, home: Path, say: Say, *, changes: int) -> Soak:
    """Change the generation some times, and ask five questions each time.

    Args:
        lake: a `DATA_DIR`; it is never changed.
        home: the directory for a copy of it, and the log.

    Raises:
        AnalyticsError: a generation is not served, or an answer is not 200.
    """
    home.mkdir(parents=True, exist_ok=True)
    data_dir = lake_copy(lake, home / "data")
    log = home / "api.log"
    log.unlink(missing_ok=True)
    manifest = current(Layout(data_dir))
    assert manifest is not None
    samples: list[int] = []
    environment = {"DATABASE_URL": "", "EVENTS_DATABASE_URL": "", "LOG_LEVEL": "warning"}
    bearer = {"Authorization": f"Bearer {token(Role.ADMIN, 'bench')}"}
    due = [round(changes * number / _SAMPLES) for number in range(_SAMPLES + 1)]
    with (
        server(data_dir, log, program="tests.bench.hurried", **environment) as api,
        httpx.Client(base_url=api.url, headers=bearer, timeout=300) as client,
    ):
        for before, after in pairwise(due):
            for number in range(before + 1, after + 1):
                generation = manifest.generation + number
                publish_again(Layout(data_dir), manifest, generation)
                _ask(client, generation)
            samples.append(_resident_bytes(api))
            if len(samples) % 10 == 0:
                say(f"change {after:,} of {changes:,}: {samples[-1] / 1e6:,.1f} MB")
    return Soak(changes=changes, resident_bytes=tuple(samples))


def publish_again(layout: Layout, manifest: Manifest, generation: int) -> None:
    """Publish the content of `manifest` again, as another generation."""
    source, target = layout.generation(manifest.generation), layout.generation(generation)
    target.parent.mkdir(exist_ok=True)
    os.link(source, target)
    found = read_manifest(layout.generation_manifest(manifest.generation))
    changed = msgspec.structs.replace(found, generation=generation)
    layout.generation_manifest(generation).write_bytes(msgspec.json.encode(changed))
    draft = layout.root / "next"
    draft.symlink_to(target.relative_to(layout.root))
    draft.replace(layout.pointer)
    old = generation - _KEPT
    if old > manifest.generation:
        layout.generation(old).unlink()
        layout.generation_manifest(old).unlink()


def _ask(client: httpx.Client, generation: int) -> None:
    """Ask all questions of this generation, once it serves."""
    deadline = time.monotonic() + _SERVED_SECONDS
    while True:
        answers = [client.get(PREFIX + question) for question in QUESTIONS]
        bad = [answer for answer in answers if answer.status_code != httpx.codes.OK]
        if bad or time.monotonic() > deadline:
            raise AnalyticsError(
                f"generation {generation} is not served: {(bad or answers)[0].text[:300]}",
                hint="Look at the log of the API.",
            )
        if all(answer.json()["generation"] == generation for answer in answers):
            return
        time.sleep(0.02)


def _resident_bytes(api: Server) -> int:
    """The resident memory of the process (Linux only)."""
    pages = Path(f"/proc/{api.process.pid}/statm").read_text().split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")
