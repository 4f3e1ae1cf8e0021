"""Events under load while servers stop, hang and die: none that was accepted is lost or doubled.

In all of it the only other answer is 503, and each comes in bounded time (the clients give up after
twelve seconds, and none may).
"""

from __future__ import annotations

import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import httpx
import psycopg
import pytest
import redis

from api.identity import Role
from etl.sandbox.load import create_schema
from etl.sandbox.postgres import create_database
from tests.api.event_load import Load
from tests.api.tokens import token
from tests.fix_pipeline import Pipeline
from tests.own_servers import ApiProcess, OwnPostgres, OwnValkey, paused
from tests.tokens import SECRET

pytestmark = pytest.mark.slow

# Longer than the API waits for PostgreSQL before it holds it for gone.
_HANG_SECONDS = 4.0


@pytest.fixture(scope="module")
def postgres() -> Iterator[OwnPostgres]:
    """A PostgreSQL to be ill-treated."""
    with tempfile.TemporaryDirectory(prefix="t-") as directory:
        server = OwnPostgres.start_in(Path(directory))
        yield server
        server.stop()


@pytest.fixture
def database(postgres: OwnPostgres) -> str:
    """A database on it with the messenger's tables."""
    url = create_database(postgres.server.url(), f"faults_{time.monotonic_ns()}")
    with psycopg.connect(url) as connection:
        create_schema(connection)
    return url


@pytest.fixture
def durable() -> Iterator[OwnValkey]:
    """A Valkey that keeps what it is given, to be ill-treated."""
    with tempfile.TemporaryDirectory(prefix="t-") as directory:
        server = OwnValkey(Path(directory))
        server.start()
        yield server
        server.end(signal.SIGKILL)


NewApi = Callable[..., ApiProcess]


@pytest.fixture
def new_api(database: str, valkey_url: str, team_site: Pipeline) -> Iterator[NewApi]:
    """Starts the whole API: events to that database, with the durable Redis or without."""
    started: list[ApiProcess] = []

    def start(queue: OwnValkey | None = None) -> ApiProcess:
        environment = {
            "JWT_SECRET": SECRET,
            "DATABASE_URL": database,
            "REDIS_URL": valkey_url,
            "DATA_DIR": str(team_site.layout.root),
            "RATE_LIMIT_PER_MINUTE": "1000000000",
            "COMPUTE_LIMIT_PER_MINUTE": "1000000000",
        }
        api = ApiProcess(environment | ({"EVENTS_REDIS_URL": queue.url} if queue else {}))
        started.append(api)
        api.start()
        return api

    yield start
    for api in started:
        api.close()


def require_emptied(durable: OwnValkey) -> None:
    """A moment after its events were stored the queue is empty, and none was put aside."""
    with redis.Redis.from_url(durable.url) as client:
        for _ in range(3000):
            if client.xlen("analytics-events:waiting") == 0:
                break
            time.sleep(0.02)
        assert client.xlen("analytics-events:waiting") == 0
        assert client.xlen("analytics-events:refused") == 0


Fault = Callable[[OwnPostgres], AbstractContextManager[None]]


@contextmanager
def stopped(postgres: OwnPostgres) -> Iterator[None]:
    """It is not there, in good order."""
    postgres.stop()
    yield
    postgres.start()


@contextmanager
def killed(postgres: OwnPostgres) -> Iterator[None]:
    """It has crashed."""
    postgres.kill()
    yield
    postgres.start()


@contextmanager
def hanging(postgres: OwnPostgres) -> Iterator[None]:
    """It is there and does nothing."""
    with paused(*postgres.pids()):
        yield


FAULTS = [stopped, killed, hanging]


@pytest.mark.parametrize("fault", FAULTS)
def test_postgresql_is_away_and_the_queue_is_durable(
    fault: Fault, postgres: OwnPostgres, durable: OwnValkey, database: str, new_api: NewApi
) -> None:
    """With a durable Redis every request goes on to be 202, and all of it is in PostgreSQL then."""
    load = Load(new_api(durable).url)
    with load.running():
        with fault(postgres):
            time.sleep(_HANG_SECONDS if fault is hanging else 0)
            load.go_on()
            with redis.Redis.from_url(durable.url) as client:
                assert client.xlen("analytics-events:waiting") > 0
        load.require_stored(database)
    load.require_stored(database)
    assert set(load.answers) == {202}
    require_emptied(durable)


def test_two_processes_move_one_queue(
    postgres: OwnPostgres, durable: OwnValkey, database: str, new_api: NewApi
) -> None:
    """Several processes fill one queue and empty it, each for itself, and no event is doubled."""
    load = Load(new_api(durable).url, new_api(durable).url)
    with load.running():
        for _ in range(2):
            with stopped(postgres):
                load.go_on(1000)
            load.go_on()
    load.require_stored(database)
    assert set(load.answers) == {202}
    require_emptied(durable)


@pytest.mark.parametrize("fault", FAULTS)
def test_postgresql_is_away_and_nothing_else_keeps_events(
    fault: Fault, postgres: OwnPostgres, database: str, new_api: NewApi
) -> None:
    """Without a durable Redis the answer is 503 until PostgreSQL is back, and then 202."""
    load = Load(new_api().url)
    with load.running():
        with fault(postgres):
            load.wait_for(503)
        load.go_on()
    load.require_stored(database)
    assert set(load.answers) == {202, 503}


@pytest.mark.parametrize("fault", FAULTS)
def test_reads_do_not_notice_that_postgresql_is_away(
    fault: Fault, postgres: OwnPostgres, durable: OwnValkey, database: str, new_api: NewApi
) -> None:
    """While it is gone or hangs, and events are posted, each question is answered, in time."""
    api = new_api(durable)
    caller = {"Authorization": f"Bearer {token(Role.ADMIN, 'boss')}"}
    question = f"{api.url}/engagement"
    load = Load(api.url)
    with httpx.Client(headers=caller, timeout=5.0) as client, load.running():
        before = [client.get(question, params={"days": days}) for days in range(1, 11)]
        with fault(postgres):
            # Days that were not asked before are computed; others come from a cache.
            during = [client.get(question, params={"days": days}) for days in range(1, 41)]
            load.go_on()
        after = client.get(question, params={"days": 41})
    assert {found.status_code for found in (*before, *during, after)} == {200}
    assert [found.content for found in during[:10]] == [found.content for found in before]
    load.require_stored(database)


def test_a_cache_is_no_queue(postgres: OwnPostgres, database: str, new_api: NewApi) -> None:
    """A Redis that may forget is given nothing: 503, as if there were none."""
    with tempfile.TemporaryDirectory(prefix="t-") as directory:
        cache = OwnValkey(Path(directory), {"maxmemory-policy": "allkeys-lru"})
        cache.start()
        load = Load(new_api(cache).url)
        with load.running(), stopped(postgres):
            accepted = len(load.accepted)
            load.wait_for(503, 200)
            assert len(load.accepted) - accepted < 200
        load.require_stored(database)
        with redis.Redis.from_url(cache.url) as client:
            assert client.keys("analytics-events:*") == []
        cache.end()


def test_both_are_away(
    postgres: OwnPostgres, durable: OwnValkey, database: str, new_api: NewApi
) -> None:
    """Redis killed, hanging and back while PostgreSQL is away: 503 in between, and nothing lost."""
    load = Load(new_api(durable).url)
    with load.running():
        with stopped(postgres):
            load.go_on()
            durable.end(signal.SIGKILL)
            load.wait_for(503)
            durable.start()
            load.go_on()
            with paused(durable.pid):
                load.wait_for(503)
            load.go_on()
        load.go_on()
    load.require_stored(database)
    assert set(load.answers) == {202, 503}


def test_redis_alone_is_away(durable: OwnValkey, database: str, new_api: NewApi) -> None:
    """While PostgreSQL is there, what becomes of Redis changes no answer."""
    load = Load(new_api(durable).url)
    with load.running():
        with paused(durable.pid):
            load.go_on(400)
        durable.end(signal.SIGKILL)
        load.go_on(400)
        durable.start()
    load.require_stored(database)
    assert set(load.answers) == {202}


@pytest.mark.parametrize("is_away", [False, True], ids=["to PostgreSQL", "to the queue"])
def test_the_api_is_killed(
    is_away: bool, postgres: OwnPostgres, durable: OwnValkey, database: str, new_api: NewApi
) -> None:
    """SIGKILL of the API under load, again and again: what it had answered with 202 is there."""
    api = new_api(durable)
    load = Load(api.url)
    with load.running():
        if is_away:
            postgres.stop()
        for _ in range(2):
            load.go_on()
            assert api.end(signal.SIGKILL) == -signal.SIGKILL
            api.start()
        load.go_on()
        if is_away:
            postgres.start()
    load.require_stored(database)
    assert set(load.answers) <= {202, "lost"}


def test_the_api_is_stopped_in_order(durable: OwnValkey, database: str, new_api: NewApi) -> None:
    """SIGTERM under load: the API ends by itself, in order, and its successor goes on."""
    api = new_api(durable)
    load = Load(api.url)
    with load.running():
        for _ in range(2):
            load.go_on()
            assert api.end(signal.SIGTERM) in (0, -signal.SIGTERM)
            api.start()
        load.go_on()
    load.require_stored(database)
    assert set(load.answers) <= {202, "lost"}
