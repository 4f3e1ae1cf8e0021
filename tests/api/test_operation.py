"""What operators rely on: health, metrics, the log, time limits, headers, starting and stopping."""

from __future__ import annotations

import gc
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import structlog

from api.app import PREFIX
from api.auth import Role
from api.health import _METRICS_SECONDS
from api.spill import spill_directory
from olap.errors import AnalyticsError
from olap.reader import Statement
from tests.api.fix_api import Api
from tests.api.servers import ROOT, Server, server, workers_of
from tests.api.tokens import token
from tests.fix_pipeline import Pipeline

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def running(small_site: Pipeline, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Two workers with common metrics, behind a proxy's path, with a page of another origin."""
    directory = tmp_path_factory.mktemp("running")
    (directory / "numbers").mkdir()
    with server(
        small_site.layout.root,
        directory / "log",
        "--workers", "2",
        "--root-path", "/chat",
        PROMETHEUS_MULTIPROC_DIR=str(directory / "numbers"),
        CORS_ORIGINS="https://page.example",
        TMPDIR=str(directory),
    ) as made:  # fmt: skip
        yield made


def wait_until(condition: Callable[[], bool]) -> None:
    """Wait until a condition holds."""
    deadline = time.monotonic() + 300
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def get(running: Server, path: str, **headers: str) -> httpx.Response:
    """GET as an administrator."""
    given = {"Authorization": f"Bearer {token(Role.ADMIN, 'boss')}", **headers}
    return httpx.get(running.url + path, headers=given, timeout=300)


def test_workers_add_up_their_metrics(running: Server) -> None:
    """`/metrics` of either worker counts the answers of both, with the metrics of the requirement:
    requests by route, hits, metrics, generation, lag, events, breaker. There is no time of a proof
    before the first one."""
    before = prometheus(running)
    for _ in range(12):
        assert get(running, f"{PREFIX}/engagement").status_code == 200
    after = prometheus(running)
    counted = (
        'analytics_request_duration_seconds_count{method="GET",'
        f'route="{PREFIX}/engagement",status="200"}}'
    )
    assert after[counted] - before.get(counted, 0) == 12
    for name in (
        'analytics_answers_total{source="hit"}',
        'analytics_metric_duration_seconds_count{metric="message_stats_v1"}',
        "analytics_generation",
        "analytics_data_lag_seconds",
        "analytics_events_pending",
        "analytics_redis_breaker_open",
    ):
        assert name in after, name
    assert "analytics_last_proof_timestamp_seconds" not in after
    assert after["analytics_generation"] == 1
    assert after["analytics_data_lag_seconds"] > 0


def prometheus(running: Server) -> dict[str, float]:
    """The samples of `/metrics` as they are now, and not as either worker has computed them."""
    time.sleep(_METRICS_SECONDS)
    found = {}
    for line in httpx.get(f"{running.url}/metrics").text.splitlines():
        if not line.startswith("#"):
            name, _, value = line.rpartition(" ")
            found[name] = float(value)
    return found


def test_every_request_is_one_line(running: Server) -> None:
    """Each request, also without a route or a token, is one JSON line with its id, which the answer
    has as well; a client's own id is kept if it is well-formed."""
    answers = [
        get(running, f"{PREFIX}/engagement?days=5", **{"X-Request-ID": "mine-1"}),
        get(running, "/nothing/here"),
        httpx.get(f"{running.url}{PREFIX}/dashboard"),
        get(running, f"{PREFIX}/engagement", **{"X-Request-ID": "not {plain}"}),
    ]
    ids = [answer.headers["x-request-id"] for answer in answers]
    assert ids[0] == "mine-1" and len(set(ids)) == 4 and "{" not in ids[3]
    # A line is written after the answer has been sent.
    wait_until(lambda: set(ids) <= set(logged(running)))
    lines = logged(running)
    assert [lines[one]["status"] for one in ids] == [200, 404, 401, 200]
    assert lines["mine-1"]["path"] == f"{PREFIX}/engagement"
    assert lines["mine-1"]["query"] == "days=5"
    assert lines["mine-1"]["role"] == "admin"


def logged(running: Server) -> dict[str, dict[str, Any]]:
    """The log lines of requests, by their ids."""
    whole = running.log.read_text().rpartition("\n")[0]
    lines = [json.loads(line) for line in whole.splitlines()]
    return {line["request_id"]: line for line in lines if line.get("event") == "request"}


def test_a_page_of_an_allowed_origin_reads_answers_and_headers(running: Server) -> None:
    """A page of CORS_ORIGINS may send a token and read our headers; another page may not."""
    preflight = httpx.options(
        f"{running.url}{PREFIX}/dashboard",
        headers={
            "Origin": "https://page.example",
            "Access-Control-Request-Method": "GET",
            "Access-Control-Request-Headers": "authorization,if-none-match",
        },
    )
    assert preflight.status_code == 204
    assert preflight.headers["access-control-allow-origin"] == "https://page.example"
    answer = get(running, f"{PREFIX}/engagement", Origin="https://page.example")
    assert answer.headers["access-control-allow-origin"] == "https://page.example"
    exposed = answer.headers["access-control-expose-headers"]
    assert {"ETag", "X-Cache", "Retry-After", "RateLimit-Remaining"} <= set(exposed.split(", "))
    other = get(running, f"{PREFIX}/engagement", Origin="https://page.example.evil.example")
    assert "access-control-allow-origin" not in other.headers


def test_the_docs_page_loads_nothing_from_other_hosts(running: Server) -> None:
    """The page and its icon are served here, below the proxy's path, and load nothing from other
    hosts; the document is OpenAPI 3.1 and contains the definitions of the SQL files."""
    page = httpx.get(f"{running.url}/docs").text
    assert 'href="/chat/favicon.svg"' in page and 'href="/chat/docs/openapi.json"' in page
    assert "http://" not in page and "https://" not in page and 'src="//' not in page
    icon = httpx.get(f"{running.url}/favicon.svg")
    assert icon.headers["content-type"] == "image/svg+xml"
    document = httpx.get(f"{running.url}/docs/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    description = document["paths"][f"{PREFIX}/engagement"]["get"]["description"]
    assert "total_users were created before until" in description
    assert "total_users were created before until" in page


def test_sigterm_ends_the_process_in_order(small_site: Pipeline, tmp_path: Path) -> None:
    """After SIGTERM the requests in progress get their answers, and the exit code is 0."""
    found: list[int] = []
    with server(
        small_site.layout.root,
        tmp_path / "log",
        program="tests.api.held_app",
        HELD_DIR=str(tmp_path),
        TMPDIR=str(tmp_path),
    ) as one:
        (tmp_path / "hold").touch()
        request = threading.Thread(
            target=lambda: found.append(get(one, f"{PREFIX}/engagement?days=61").status_code)
        )
        request.start()
        wait_until(lambda: (tmp_path / "started").exists())
        one.process.send_signal(signal.SIGTERM)
        wait_until(lambda: not accepts_connections(one))
        (tmp_path / "release").touch()
        request.join()
        assert one.stop() == 0
    assert found == [200]
    assert list(tmp_path.glob("analytics-api-*")) == []


def accepts_connections(running: Server) -> bool:
    """Whether a server listens."""
    try:
        socket.create_connection(("127.0.0.1", running.port)).close()
    except OSError:
        return False
    return True


def test_a_killed_worker_leaves_no_spill_directory(running: Server) -> None:
    """When a worker is killed, its successor removes its spill directory, and not that of the other
    worker."""

    def directories() -> set[str]:
        return {path.name for path in running.log.parent.glob("analytics-api-*")}

    wait_until(lambda: len(directories()) == 2)
    before = directories()
    os.kill(workers_of(running.process.pid)[0], signal.SIGKILL)
    wait_until(lambda: len(directories() - before) == 1)
    wait_until(lambda: len(directories()) == 2)
    assert len(directories() & before) == 1


def test_only_abandoned_spill_directories_are_removed(tmp_path: Path) -> None:
    """A directory without a lock is removed; a locked one, and what a symbolic link points to, are
    not."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (tmp_path / "analytics-api-link").symlink_to(outside)
    abandoned = tmp_path / "analytics-api-abandoned"
    abandoned.mkdir()
    (abandoned / "file").write_bytes(b"x")
    first, second = tmp_path / "analytics-api-1", tmp_path / "analytics-api-2"
    with spill_directory(first):
        assert not abandoned.exists()
        with spill_directory(second):
            assert first.exists() and second.exists()
            assert stat.S_IMODE(first.stat().st_mode) == 0o700
        assert first.exists() and not second.exists()
    assert outside.exists() and not first.exists()


def test_without_a_key_it_does_not_start(tmp_path: Path) -> None:
    """The error names the missing setting, with a hint, and the exit code is 2."""
    environment = {
        "PATH": os.environ["PATH"], "HOME": str(tmp_path), "DATA_DIR": str(tmp_path / "data"),
    }  # fmt: skip
    ended = subprocess.run(
        [sys.executable, "-m", "api"], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert ended.returncode == 2
    assert ended.stderr.startswith("error: no key is set") and "JWT_SECRET" in ended.stderr


def test_a_metric_that_takes_too_long_is_interrupted(
    small_site: Pipeline, new_api: Callable[..., Api], monkeypatch: pytest.MonkeyPatch
) -> None:
    """After QUERY_TIMEOUT_SECONDS the answer is 503 with `Retry-After`, the log has the slow query
    with its metric and parameters, and the thread is free."""
    api = new_api(small_site, query_timeout_seconds=1, api_threads=1)
    whole = Statement.run

    def endless(self: Statement) -> Any:
        self._statement = (
            "select count(*) from range(10000000) a, range(10000000) b"
            " where hash(a.range, b.range) = 0"
        )
        self._parameters = {}
        return whole(self)

    monkeypatch.setattr(Statement, "run", endless)
    merged = [structlog.contextvars.merge_contextvars]
    with structlog.testing.capture_logs(merged) as lines:
        refused = api.admin().get("/engagement", days=33)
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "5")
    (slow,) = [line for line in lines if line["event"] == "query.slow"]
    assert slow["metric"] == "engagement_v1" and slow["parameters"]["include_bots"] == "True"
    assert slow["request_id"] == refused.headers["x-request-id"]
    monkeypatch.setattr(Statement, "run", whole)
    # A slow machine may need more than the second as well, but the only thread is free for it.
    wait_until(lambda: api.admin().get("/engagement", days=33).status_code == 200)


def test_an_unchanged_answer_is_304(small_api: Api) -> None:
    """With the ETag of an answer the same request returns 304 without a body; with another ETag, or
    for another request, it returns 200."""
    first = small_api.admin().get("/dashboard")
    tag = first.headers["etag"]
    for sent in (tag, f'"other", {tag}', f"W/{tag}", "*"):
        again = small_api.admin().get("/dashboard", headers={"If-None-Match": sent})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["etag"] == tag and again.headers["cache-control"] == "private"
    for sent in ('"other"', "", tag.strip('"')):
        again = small_api.admin().get("/dashboard", headers={"If-None-Match": sent})
        assert again.content == first.content
    other = small_api.admin().get("/dashboard", {"If-None-Match": tag}, days=3)
    assert other.status_code == 200


def test_a_generation_that_cannot_be_read_is_503(
    small_site: Pipeline, new_api: Callable[..., Api], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A damaged file returns 503, and the reason is in the log; a defect returns a 500 problem
    without details."""
    api = new_api(small_site)
    for error, status in (
        (AnalyticsError("the file is damaged", hint="publish"), 503),
        (RuntimeError("a secret detail"), 500),
    ):

        def broken(self: Statement, error: Exception = error) -> Any:
            raise error

        monkeypatch.setattr(Statement, "run", broken)
        found = api.admin().get("/engagement", days=44)
        assert found.status_code == status
        assert found.headers["content-type"] == "application/problem+json"
        assert "secret" not in found.text and "damaged" not in found.text


def test_options_needs_no_token(small_api: Api) -> None:
    """OPTIONS returns the allowed methods on every path, also without a token."""
    for path in ("/dashboard", "/user/7", "/events", "/events/recent"):
        found = small_api.client.options(PREFIX + path)
        assert found.status_code == 204
        assert "OPTIONS" in found.headers["allow"]


def test_requests_leave_nothing_behind(small_api: Api) -> None:
    """Requests that the fast path does not answer leave no object of Litestar or ours in memory."""

    def objects() -> int:
        gc.collect()
        return sum(
            str(type(one).__module__).startswith(("litestar.", "api.")) for one in gc.get_objects()
        )

    def ask() -> None:
        for _ in range(50):
            assert small_api.admin().get("/dashboard", generation=1).status_code == 200

    ask()
    before = objects()
    ask()
    assert objects() - before < 25
