"""Events under load while servers stop, hang and crash: no accepted event is lost or doubled.

The only other answer is 503, and every answer arrives in bounded time.
"""

from __future__ import annotations

import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psycopg
import pytest
import redis

from api.auth import Role
from etl.sandbox.load import create_schema
from etl.sandbox.postgres import create_database
from olap.redis_keys import RedisKeys
from tests.api.event_load import Load
from tests.api.tokens import token
from tests.fix_pipeline import Pipeline
from tests.own_servers import ApiProcess, OwnPostgres, OwnValkey, paused
from tests.tokens import SECRET

pytestmark = pytest.mark.slow

KEYS = RedisKeys("faults")


@pytest.fixture(scope="module")
def postgres() -> Iterator[OwnPostgres]:
    """A PostgreSQL that the tests stop, pause and kill."""
    with tempfile.TemporaryDirectory(prefix="t-") as directory:
        server = OwnPostgres.start_in(Path(directory))
        yield server
        server.stop()


@pytest.fixture
def database(postgres: OwnPostgres) -> str:
    """A database on it with the messenger's tables."""
    return new_database(postgres)


def new_database(postgres: OwnPostgres) -> str:
    """Create a database with the messenger's tables."""
    url = create_database(postgres.server.url(), f"faults_{time.monotonic_ns()}")
    with psycopg.connect(url) as connection:
        create_schema(connection)
    return url


@pytest.fixture
def durable() -> Iterator[OwnValkey]:
    """A durable Valkey that the test stops, pauses and kills."""
    with own_valkey() as server:
        yield server


@contextmanager
def own_valkey() -> Iterator[OwnValkey]:
    """A durable Valkey."""
    with tempfile.TemporaryDirectory(prefix="t-") as directory:
        server = OwnValkey(Path(directory))
        server.start()
        yield server
        server.end(signal.SIGKILL)


NewApi = Callable[..., ApiProcess]


@pytest.fixture
def new_api(database: str, valkey_url: str, small_site: Pipeline) -> Iterator[NewApi]:
    """A function that starts the API on that database, with a durable Redis or without."""
    with ExitStack() as stack:

        def start(queue: OwnValkey | None = None, **variables: str) -> ApiProcess:
            return stack.enter_context(
                api_process(database, valkey_url, small_site, queue, **variables)
            )

        yield start


@contextmanager
def api_process(
    database: str, valkey_url: str, site: Pipeline, queue: OwnValkey | None, **variables: str
) -> Iterator[ApiProcess]:
    """The API on a database, with a durable Redis or without."""
    environment = {
        "JWT_SECRET": SECRET,
        "DATABASE_URL": database,
        "REDIS_URL": valkey_url,
        "DATA_DIR": str(site.layout.root),
        "RATE_LIMIT_PER_MINUTE": "1000000000",
        "COMPUTE_LIMIT_PER_MINUTE": "1000000000",
        "ANONYMOUS_LIMIT_PER_MINUTE": "1000000000",
        "REDIS_PREFIX": KEYS.prefix,
        "QUERY_TIMEOUT_SECONDS": "600",
        **({"EVENTS_REDIS_URL": queue.url} if queue else {}),
        **variables,
    }
    api = ApiProcess(environment)
    api.start()
    try:
        yield api
    finally:
        api.close()


@dataclass(frozen=True)
class Shared:
    """An API with a durable queue for the tests that stop and kill PostgreSQL alone."""

    api: ApiProcess
    database: str
    durable: OwnValkey


@pytest.fixture(scope="module")
def shared(postgres: OwnPostgres, valkey_url: str, small_site: Pipeline) -> Iterator[Shared]:
    """Such an API."""
    database = new_database(postgres)
    with own_valkey() as durable, api_process(database, valkey_url, small_site, durable) as api:
        yield Shared(api, database, durable)


def wait_for_queue(durable: OwnValkey, *, is_empty: bool) -> None:
    """Wait until the queue is empty, or is not; no event may be in the stream of refused events."""
    deadline = time.monotonic() + 300
    with redis.Redis.from_url(durable.url) as client:
        while (client.xlen(KEYS.waiting_events) == 0) is not is_empty:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        assert client.xlen(KEYS.refused_events) == 0


Fault = Callable[[OwnPostgres], AbstractContextManager[None]]


@contextmanager
def stopped(postgres: OwnPostgres) -> Iterator[None]:
    """It is stopped."""
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
    """It is there and does not answer."""
    with paused(*postgres.pids()):
        yield


FAULTS: list[Fault] = [stopped, killed, hanging]


@pytest.mark.parametrize("fault", FAULTS)
def test_postgresql_is_away_and_the_queue_is_durable(
    fault: Fault, postgres: OwnPostgres, shared: Shared
) -> None:
    """With a durable Redis every answer is still 202, and later all events are in PostgreSQL."""
    load = Load(shared.api.url)
    with load.running():
        with fault(postgres):
            wait_for_queue(shared.durable, is_empty=False)
            load.go_on()
        load.require_stored(shared.database)
    load.require_stored(shared.database)
    assert set(load.answers) == {202}
    wait_for_queue(shared.durable, is_empty=True)


def test_two_processes_move_one_queue(
    postgres: OwnPostgres, durable: OwnValkey, database: str, new_api: NewApi
) -> None:
    """Two processes fill and empty the same queue, and no event is doubled."""
    load = Load(new_api(durable).url, new_api(durable).url)
    with load.running():
        for _ in range(2):
            with stopped(postgres):
                load.go_on(1000)
            load.go_on()
    load.require_stored(database)
    assert set(load.answers) == {202}
    wait_for_queue(durable, is_empty=True)


@pytest.mark.parametrize("fault", FAULTS)
def test_postgresql_is_away_and_there_is_no_queue(
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
def test_reads_do_not_depend_on_postgresql(
    fault: Fault, postgres: OwnPostgres, shared: Shared, valkey_url: str
) -> None:
    """While PostgreSQL is away or hangs and events are posted, every read is answered, cached or
    computed."""
    with redis.Redis.from_url(valkey_url) as cache:
        cache.flushdb()
    caller = {"Authorization": f"Bearer {token(Role.ADMIN, 'boss')}"}
    url = f"{shared.api.url}/engagement"
    days = 1 + 30 * FAULTS.index(fault)
    load = Load(shared.api.url)
    with httpx.Client(headers=caller, timeout=300.0) as client, load.running():
        before = [client.get(url, params={"days": days + n}) for n in range(10)]
        with fault(postgres):
            # The first ten periods come from a cache; the others are computed.
            during = [client.get(url, params={"days": days + n}) for n in range(20)]
            load.go_on()
        after = client.get(url, params={"days": days + 20})
    assert {found.status_code for found in (*before, *during, after)} == {200}
    assert [found.content for found in during[:10]] == [found.content for found in before]
    assert {found.headers["x-cache"] for found in during[10:]} <= {"miss", "bypass"}
    load.require_stored(shared.database)


def test_a_cache_is_not_used_as_the_queue(
    postgres: OwnPostgres, database: str, new_api: NewApi
) -> None:
    """A Redis that may evict gets no events: the answer is 503, as without one."""
    with tempfile.TemporaryDirectory(prefix="t-") as directory:
        cache = OwnValkey(Path(directory), {"maxmemory-policy": "allkeys-lru"})
        cache.start()
        load = Load(new_api(cache).url)
        with load.running(), stopped(postgres):
            accepted = len(load.accepted)
            load.wait_for(503, 100)
            assert len(load.accepted) - accepted < 200
        load.require_stored(database)
        with redis.Redis.from_url(cache.url) as client:
            assert client.keys() == []
        cache.end()


def test_both_are_away(
    postgres: OwnPostgres, durable: OwnValkey, database: str, new_api: NewApi
) -> None:
    """While PostgreSQL is away Redis is killed, hangs and comes back: 503 in between, and no event
    is lost."""
    load = Load(new_api(durable, QUEUE_TIMEOUT_SECONDS="1").url)
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
    """While PostgreSQL is there, faults of Redis change no answer."""
    load = Load(new_api(durable, STATEMENT_SECONDS="60").url)
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
    """After each SIGKILL of the API under load, every event that it answered with 202 is stored."""
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
    """After SIGTERM under load the API ends in order, and its successor continues."""
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
