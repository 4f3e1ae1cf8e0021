"""Loads on an HTTP server of this machine: `wrk` where it is installed, else our own generator.

`wrk` only knows how to ask one thing as often as it can. Where it matters which of several things
was asked, and which generation answered, our own is always taken. It runs in a process of its own.
"""

from __future__ import annotations

import json
import re
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import NamedTuple

from olap.errors import AnalyticsError

GENERATOR = Path(__file__).with_name("load_generator.py")
WRK = shutil.which("wrk")


class Answer(NamedTuple):
    """One answer, as a client saw it.

    Attributes:
        path: which one of the paths, by its place.
        begun: when it was asked, in seconds from the load's beginning.
        ms: from then to the last byte.
        is_hit: whether it came from a cache.
        generation: that it came from; 0 = it does not say.
    """

    path: int
    begun: float
    ms: float
    status: int
    is_hit: bool
    generation: int


@dataclass(slots=True)
class Load:
    """What came of a load; empty until it has ended.

    Attributes:
        processor_seconds: that the generator took for itself.
    """

    answers: list[Answer] = field(default_factory=list)
    seconds: float = 0.0
    processor_seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Throughput:
    """How often one thing was answered.

    Attributes:
        hits: how many answers came from a cache; None = `wrk` does not look.
        generator_share: of one processor, that the load generator took: the nearer to 1, the more
            the figure is its own and not the server's.
    """

    requests: int
    seconds: float
    hits: int | None
    generator_share: float


@dataclass(frozen=True, slots=True)
class Askers:
    """Clients of one server, with one token."""

    port: int
    token: str
    clients: int

    @contextmanager
    def asking(
        self,
        paths: Sequence[str],
        *,
        weights: Sequence[float] | None = None,
        seed: int = 0,
        good: Sequence[int] = (HTTPStatus.OK,),
    ) -> Iterator[Load]:
        """Ask during the block; `weights` by which paths are drawn, or else each is asked once.

        The load that is yielded is filled at the end of the block.

        Raises:
            AnalyticsError: an answer's status is not among the good ones, or the server hung up.
        """
        order = {
            "port": self.port,
            "authorization": f"Bearer {self.token}",
            "clients": self.clients,
            "paths": paths,
            "weights": weights,
            "seed": seed,
        }
        load = Load()
        with subprocess.Popen(
            [sys.executable, "-I", "-S", GENERATOR],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as generator:
            try:
                assert generator.stdin is not None
                generator.stdin.write(json.dumps(order) + "\n")
                generator.stdin.flush()
                yield load
            except BaseException:
                generator.kill()
                raise
            written, errors = generator.communicate()  # closes its input: no more, if by weight
        if generator.returncode != 0:
            raise AnalyticsError(
                f"the load ended early: {errors.strip()[-500:]}", hint="Look at the server's log."
            )
        found = json.loads(written)
        load.answers = [Answer(*answer) for answer in found["answers"]]
        load.seconds, load.processor_seconds = found["seconds"], found["processor_seconds"]
        _require_good(load.answers, paths, good)

    def throughput(self, path: str, seconds: float) -> Throughput:
        """Ask one thing as often as possible for some seconds.

        Raises:
            AnalyticsError: an answer was not 200, or the server hung up.
        """
        if WRK is not None:
            return self._of_wrk(WRK, path, seconds)
        with self.asking([path], weights=[1.0]) as load:
            time.sleep(seconds)
        return Throughput(
            requests=len(load.answers),
            seconds=load.seconds,
            hits=sum(answer.is_hit for answer in load.answers),
            generator_share=load.processor_seconds / load.seconds,
        )

    def _of_wrk(self, program: str, path: str, seconds: float) -> Throughput:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        finished = subprocess.run(
            [
                *(program, "-t1", f"-c{self.clients}", f"-d{max(1, round(seconds))}s"),
                *("-H", f"Authorization: Bearer {self.token}"),
                f"http://127.0.0.1:{self.port}{path}",
            ],
            capture_output=True,
            text=True,
        )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        counted = re.search(r"(\d+) requests in ([\d.]+)s", finished.stdout)
        if counted is None or "Non-2xx" in finished.stdout or "Socket errors" in finished.stdout:
            raise AnalyticsError(
                f"wrk was not answered well: {finished.stdout}{finished.stderr}",
                hint="Look at the server's log.",
            )
        taken = float(counted[2])
        processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        return Throughput(
            requests=int(counted[1]), seconds=taken, hits=None, generator_share=processor / taken
        )


def _require_good(answers: Sequence[Answer], paths: Sequence[str], good: Sequence[int]) -> None:
    bad = [answer for answer in answers if answer.status not in good]
    if bad:
        raise AnalyticsError(
            f"{len(bad):,} of {len(answers):,} answers were no good, such as {bad[0].status} to "
            f"{paths[bad[0].path]}",
            hint="Look at the server's log; its figures would say nothing.",
        )
