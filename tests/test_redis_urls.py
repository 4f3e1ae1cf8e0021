"""Redis by URL: servers, Sentinel with a failover, clusters, and what is refused at the start."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import cast

import pytest
import redis

from api import limits as limits_module
from api.__main__ import main
from api.background import Supervisor
from api.cache import Cache, Entry, Memory, Source
from api.deployment import Deployment
from api.events import feed as feed_module
from api.events.event import Row
from api.limits import Limits
from api.redis_cache import RedisCache
from etl.erase import _forget_cached
from etl.sandbox import valkey
from olap.errors import SettingsError
from olap.redis_keys import RedisKeys
from olap.redis_urls import close_redis, open_redis, require_usable
from olap.secret import Secret
from olap.settings import Settings
from tests.api.servers import free_port
from tests.own_servers import HANG_SECONDS

KEYS = RedisKeys("chat")
NOON = 1_800_000_000.0 // 60 * 60
SECRET = b"a secret of this deployment only"

REFUSED = [
    ("http://h:6379", "scheme 'http'"),
    ("redis", "scheme ''"),
    ("redis://", "names no host"),
    ("redis://h:port/0", "Port could not be cast"),
    ("redis://h?socket_timeout=soon", "socket_timeout"),
    ("redis://h?no_such_option=1", "no_such_option"),
    ("unix://", "names no socket"),
    ("redis+sentinel://h:26379", "does not name the primary"),
    ("redis+sentinel:///name", "names no host"),
    ("redis+sentinel://h,:1/name", "names no host"),
    ("redis+sentinel://h/name/one", "'one' is no number"),
    ("redis+cluster://h:6379/3", "no other database"),
    ("redis+ring://h", "scheme 'redis+ring'"),
]


@pytest.mark.parametrize(("url", "reason"), REFUSED)
def test_a_url_that_cannot_be_used_is_an_error_at_the_start(url: str, reason: str) -> None:
    """The error names the variable and the reason, and the hint has the forms."""
    with pytest.raises(SettingsError) as caught:
        require_usable(Settings(redis_url=Secret(url)))
    assert caught.value.message.startswith("REDIS_URL=")
    assert reason in caught.value.message
    assert "redis+sentinel://" in caught.value.hint
    with pytest.raises(SettingsError, match="EVENTS_REDIS_URL"):
        require_usable(Settings(events_redis_url=Secret(url)))


def test_no_password_is_shown() -> None:
    """The error about a URL hides its passwords, those of the sentinels too."""
    url = "redis+sentinel://u:s3cr-et@h:26379/?sentinel_password=s3cr-et-2&other=1"
    with pytest.raises(SettingsError) as caught:
        require_usable(Settings(redis_url=Secret(url)))
    assert "s3cr" not in f"{caught.value} {caught.value.hint}"


@pytest.mark.parametrize("url", ["redis+sentinel://h:26379/chat", "valkeys+cluster://h:6379"])
def test_events_do_not_wait_where_a_failover_may_lose_them(url: str) -> None:
    """EVENTS_REDIS_URL must name one server, and the error says why."""
    with pytest.raises(SettingsError, match="must name one server") as caught:
        require_usable(Settings(events_redis_url=Secret(url)))
    assert "failover" in caught.value.hint


@pytest.mark.parametrize(
    "url",
    [
        "redis://u:p%40@h:6379/3?protocol=2",
        "rediss://h",
        "valkey://[::1]:6379/0",
        "valkeys://h/1?ssl_cert_reqs=none",
        "unix:///run/s?db=2",
        "redis+sentinel://u:p@h:26379,[::1]:26380,other/chat/2?sentinel_password=q",
        "valkeys+sentinel://h/chat",
        "valkey+cluster://h:7000,other:7001",
    ],
)
def test_a_url_of_every_form_is_accepted(url: str) -> None:
    """Every form makes a client, without a connection."""
    require_usable(Settings(redis_url=Secret(url)))

    async def opened() -> None:
        await close_redis(open_redis(Secret(url), seconds=1))

    asyncio.run(opened())


def test_answers_are_bytes_whatever_the_url_says(valkey_url: str) -> None:
    """`decode_responses` in a URL is ignored: it would make every answer a miss."""

    async def scenario() -> object:
        client = open_redis(Secret(f"{valkey_url}?decode_responses=true"), seconds=60)
        try:
            await client.set("test:decoded", b"x")
            return await client.get("test:decoded")
        finally:
            await close_redis(client)

    assert asyncio.run(scenario()) == b"x"


class Group:
    """Servers of one test on ports of loopback."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.processes: list[subprocess.Popen[bytes]] = []
        self.clients: list[redis.Redis] = []

    def client(self, port: int) -> redis.Redis:
        """A client of one server."""
        self.clients.append(redis.Redis(port=port))
        return self.clients[-1]

    def start(self, port: int, *words: str, config: str = "") -> subprocess.Popen[bytes]:
        """Start a server and wait until it answers."""
        home = self.directory / str(port)
        home.mkdir()
        (home / "conf").write_text(f"port {port}\nbind 127.0.0.1\ndir {home}\n{config}")
        process = subprocess.Popen(
            [str(valkey.server_program()), str(home / "conf"), *words],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self.processes.append(process)
        with redis.Redis(port=port) as client:
            until(lambda: answers(client))
        return process


def answers(client: redis.Redis) -> bool:
    """Whether a server answers."""
    with suppress(redis.RedisError):
        return bool(client.ping())
    return False


def until(condition: Callable[[], bool]) -> None:
    """Wait until a condition holds."""
    deadline = time.monotonic() + HANG_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.fixture
def group() -> Iterator[Group]:
    """Servers of this test."""
    with tempfile.TemporaryDirectory(prefix="t-") as directory:
        made = Group(Path(directory))
        yield made
        for client in made.clients:
            client.close()
        for process in made.processes:
            process.kill()
            process.wait()


@pytest.fixture
def shared_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Counts that are shared at once."""
    monkeypatch.setattr(limits_module, "_SHARE_SECONDS", 0.01)
    monkeypatch.setattr(limits_module, "_AWAY_SECONDS", 0.01)


async def answer_of(cache: Cache, key: str) -> Source:
    """Where a process has an answer from."""

    async def compute() -> Entry:
        return Entry.of(key, 200, "application/json", b"{}")

    return (await cache.get(key, compute))[1]


async def require_shared(url: Secret, name: str) -> None:
    """Require that two processes share answers, counts and recent events there."""
    key = f"{KEYS.answers}{name}"
    one, other = (RedisCache(url, ttl_seconds=60) for _ in range(2))
    assert await answer_of(Cache(Memory(10**6), one, SECRET), key) is Source.MISS
    await one.close()  # its writes have ended
    assert await answer_of(Cache(Memory(10**6), other, SECRET), key) is Source.HIT
    await other.close()

    first, second = (Limits(100, 100, 100, clock=lambda: NOON) for _ in range(2))
    accounts = [f"{name}:{number}" for number in range(50)]
    for account in accounts:
        first.charge_request(account)
        second.charge_request(account)
    async with (
        first.shared(url, lambda: KEYS, Supervisor()),
        second.shared(url, lambda: KEYS, Supervisor()),
        asyncio.timeout(HANG_SECONDS),
    ):
        while not all(second._requests._counts[one].others == 1 for one in accounts):
            await asyncio.sleep(0.01)

    deployment = Deployment(Settings(redis_prefix=KEYS.prefix))
    feed = feed_module.Feed(url, deployment, SECRET)
    feed.add([Row("1", name.encode())])
    await feed.run()
    assert await feed.newest(1) == [name.encode()]
    await feed.close()


async def is_writable(url: Secret) -> bool:
    """Whether the primary is found and takes a write."""
    client = open_redis(url, seconds=60)
    try:
        return bool(await client.delete("nothing") == 0)
    except redis.RedisError:
        return False
    finally:
        await close_redis(client)


def names(*nodes: redis.Redis) -> list[bytes]:
    """The keys on these servers."""
    return [key for node in nodes for key in cast("list[bytes]", node.keys())]


def erased(url: Secret) -> str:
    """What an erasure says of the cache."""
    return _forget_cached(Settings(redis_url=url), KEYS)


@pytest.mark.slow
def test_a_cluster_holds_answers_counts_and_events(group: Group, shared_at_once: None) -> None:
    """In a cluster of two nodes processes share everything, and an erasure finds all of it."""
    ports, buses = ([free_port(), free_port()] for _ in range(2))
    for port, bus in zip(ports, buses, strict=True):
        # By default the nodes talk on the port plus 10,000, which may be too much.
        group.start(port, config=f"cluster-enabled yes\ncluster-port {bus}\n")
    nodes = [group.client(port) for port in ports]
    nodes[0].cluster("addslotsrange", 0, 8191)
    nodes[1].cluster("addslotsrange", 8192, 16383)
    nodes[0].cluster("meet", "127.0.0.1", ports[1], buses[1])
    until(lambda: all(node.cluster("info")["cluster_state"] == "ok" for node in nodes))
    url = Secret(f"valkey+cluster://127.0.0.1:{ports[1]},127.0.0.1:{ports[0]}")
    for number in range(8):  # keys of both nodes
        asyncio.run(require_shared(url, f"cluster-{number}"))
    assert all(names(node) for node in nodes)
    nodes[nodes[0].cluster("keyslot", "x") // 8192].set("x", 1)
    assert erased(url).endswith("entries removed")
    assert names(*nodes) == [b"x"]


@pytest.mark.slow
def test_sentinel_names_the_primary_before_and_after_a_failover(
    group: Group, shared_at_once: None
) -> None:
    """The primary is found through Sentinel; when it is killed its replica takes over, and
    everything goes on there."""
    first, second, sentinel = free_port(), free_port(), free_port()
    primary = group.start(first, config='save ""\n')
    group.start(second, config=f'save ""\nreplicaof 127.0.0.1 {first}\n')
    replica = group.client(second)
    until(lambda: replica.info("replication")["master_link_status"] == "up")
    group.start(
        sentinel,
        "--sentinel",
        config=f"sentinel monitor chat 127.0.0.1 {first} 1\n"
        "sentinel down-after-milliseconds chat 600000\nsentinel failover-timeout chat 1000\n",
    )
    watcher = group.client(sentinel)
    until(lambda: len(watcher.sentinel_slaves("chat")) == 1)
    url = Secret(f"redis+sentinel://127.0.0.1:1,127.0.0.1:{sentinel}/chat/0")
    asyncio.run(require_shared(url, "before"))
    watcher.sentinel_set("chat", "down-after-milliseconds", 300)
    primary.send_signal(signal.SIGKILL)
    until(lambda: replica.info("replication")["role"] == "master")
    until(lambda: asyncio.run(is_writable(url)))
    asyncio.run(require_shared(url, "after"))
    assert erased(url).endswith("entries removed")
    assert names(replica) == []


def test_an_erasure_says_that_a_group_is_away() -> None:
    """Where no sentinel and no node answers the erasure goes on, and its receipt says so."""
    for url in ("redis+sentinel://127.0.0.1:1/chat", "redis+cluster://127.0.0.1:1"):
        assert "not reachable" in erased(Secret(url))


@pytest.mark.parametrize(
    ("variable", "url"),
    [("REDIS_URL", "memcached://h"), ("EVENTS_REDIS_URL", "redis+sentinel://h/chat")],
)
def test_the_api_does_not_start_with_such_a_url(
    variable: str,
    url: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    """The command ends before a worker starts, with the exit code of a wrong setting and a hint."""
    given = {"JWT_SECRET": "j" * 32, "DATA_DIR": str(tmp_path), variable: url}
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    assert main([]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"error: {variable}") and "\n  " in said
