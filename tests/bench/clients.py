"""HTTP clients that put a server under load: `wrk` where it is installed, else `load_generator`.

`wrk` only requests one path as often as it can. Where it matters which of several paths was
requested and which generation answered, `load_generator` is used. It runs in its own process.
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


class Response(NamedTuple):
    """One response, as a client saw it.

    Attributes:
        path: the index of the path.
        begun: when it was requested, in seconds from the start of the load.
        ms: from then to the last byte.
        is_hit: whether it came from a cache.
        generation: the generation that it came from; 0 = the response does not contain one.
    """

    path: int
    begun: float
    ms: float
    status: int
    is_hit: bool
    generation: int


@dataclass(slots=True)
class Load:
    """The result of a load; empty until the load has ended.

    Attributes:
        processor_seconds: processor time of the generator itself.
    """

    responses: list[Response] = field(default_factory=list)
    seconds: float = 0.0
    processor_seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Throughput:
    """How often one path was answered.

    Attributes:
        hits: how many responses came from a cache; None with `wrk`, which does not look.
        generator_share: the load generator's share of one processor: near 1, the figure describes
            the generator and not the server.
    """

    requests: int
    seconds: float
    hits: int | None
    generator_share: float


@dataclass(frozen=True, slots=True)
class Clients:
    """Clients of one server, with one token."""

    port: int
    token: str
    count: int

    @contextmanager
    def requesting(
        self,
        paths: Sequence[str],
        *,
        weights: Sequence[float] | None = None,
        seed: int = 0,
        good: Sequence[int] = (HTTPStatus.OK,),
    ) -> Iterator[Load]:
        """Request the paths during the block: drawn by `weights`, or each once without weights.

        The yielded load is filled at the end of the block.

        Raises:
            AnalyticsError: a status is not among the good ones, or the server closed a connection.
        """
        order = {
            "port": self.port,
            "authorization": f"Bearer {self.token}",
            "clients": self.count,
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
            written, errors = generator.communicate()  # closing its input ends a weighted load
        if generator.returncode != 0:
            raise AnalyticsError(
                f"the load ended early: {errors.strip()[-500:]}", hint="Look at the server's log."
            )
        found = json.loads(written)
        load.responses = [Response(*response) for response in found["responses"]]
        load.seconds, load.processor_seconds = found["seconds"], found["processor_seconds"]
        _require_good(load.responses, paths, good)

    def throughput(self, path: str, seconds: float) -> Throughput:
        """Request one path as often as possible for some seconds.

        Raises:
            AnalyticsError: a response was not 200, or the server closed a connection.
        """
        if WRK is not None:
            return self._of_wrk(WRK, path, seconds)
        with self.requesting([path], weights=[1.0]) as load:
            time.sleep(seconds)
        return Throughput(
            requests=len(load.responses),
            seconds=load.seconds,
            hits=sum(response.is_hit for response in load.responses),
            generator_share=load.processor_seconds / load.seconds,
        )

    def _of_wrk(self, program: str, path: str, seconds: float) -> Throughput:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        finished = subprocess.run(
            [
                *(program, "-t1", f"-c{self.count}", f"-d{max(1, round(seconds))}s"),
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
                f"wrk met errors: {finished.stdout}{finished.stderr}",
                hint="Look at the server's log.",
            )
        taken = float(counted[2])
        processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        return Throughput(
            requests=int(counted[1]), seconds=taken, hits=None, generator_share=processor / taken
        )


def _require_good(responses: Sequence[Response], paths: Sequence[str], good: Sequence[int]) -> None:
    bad = [response for response in responses if response.status not in good]
    if bad:
        raise AnalyticsError(
            f"{len(bad):,} of {len(responses):,} responses failed, such as {bad[0].status} for "
            f"{paths[bad[0].path]}",
            hint="Look at the server's log; a figure with failed responses means nothing.",
        )
