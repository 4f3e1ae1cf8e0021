"""Opens Redis and Valkey by their URLs: a server, a group behind Sentinel, or a cluster.

    redis://user:password@host:6379/0                     rediss:// with TLS
    unix:///run/valkey.sock?db=0                          a socket of this machine
    redis+sentinel://host:26379,other:26379/name/0        the primary that Sentinel calls `name`;
        ?sentinel_username=…&sentinel_password=…          the URL's own user is that of the primary
    redis+cluster://host:6379,other:6379                  a cluster, found through any of its nodes

`valkey` may stand for `redis` in each. The clients are those of redis-py.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import SplitResult, urlsplit, urlunsplit

import redis
import redis.asyncio as aio
import redis.asyncio.sentinel as aio_sentinel
import redis.sentinel
from redis.asyncio.cluster import ClusterNode as AsyncClusterNode
from redis.asyncio.connection import SSLConnection, UnixDomainSocketConnection, parse_url
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.cluster import ClusterNode
from redis.exceptions import RedisClusterException, RedisError
from redis.retry import Retry

from olap.errors import SettingsError
from olap.secret import Secret
from olap.settings import Settings

# What a call may raise: another server in place of Redis makes the parser run into anything.
FAULTS = (
    RedisError, RedisClusterException, OSError, ValueError, TypeError, LookupError, AttributeError,
    AssertionError, ArithmeticError, RecursionError,
)  # fmt: skip

_SCHEME = re.compile(r"(?:redis|valkey)(?P<tls>s?)(?:\+(?P<kind>sentinel|cluster))?")
_PORTS = {"sentinel": 26379, "cluster": 6379}
_SENTINEL_OPTIONS = ("username", "password")
_FORMS = (
    "Use redis://, rediss://, valkey://, valkeys://, unix://, redis+sentinel://host,host/name or "
    "redis+cluster://host,host; api/README.md has examples."
)


@dataclass(frozen=True, slots=True, repr=False)
class _Target:
    """What a URL names.

    Attributes:
        kind: server, sentinel or cluster.
        nodes: hosts and ports of the sentinels or of some nodes of the cluster.
        name: of the primary, for Sentinel.
        options: of each connection to a server; `connection_class` is that of a socket or of TLS.
        of_sentinels: of the connections to the sentinels.
    """

    kind: str
    nodes: tuple[tuple[str, int], ...]
    name: str
    options: dict[str, Any]
    of_sentinels: dict[str, Any]


def require_usable(settings: Settings) -> None:
    """Require that the URLs of Redis can be used; nothing is connected.

    Raises:
        SettingsError: one cannot be; it names the variable.
    """
    _target("REDIS_URL", settings.redis_url)
    if settings.events_redis_url is None:
        return
    if _target("EVENTS_REDIS_URL", settings.events_redis_url).kind != "server":
        raise SettingsError(
            "EVENTS_REDIS_URL names a group of servers, and must name one server",
            hint="A failover promotes a replica that may lack events that were confirmed. Give the "
            "URL of one server with an append-only file (redis:// or valkey://).",
        )


def open_redis(
    url: Secret,
    *,
    seconds: float,
    connect_seconds: float | None = None,
    variable: str = "REDIS_URL",
) -> aio.Redis:
    """A client that never repeats a command by itself; nothing is connected.

    Args:
        seconds: how long a command may take.
        connect_seconds: how long a connection may take to open; by default the same.
        variable: the setting that has the URL.

    Raises:
        SettingsError: the URL cannot be used.
    """
    target = _target(variable, url)
    limits: dict[str, Any] = {
        "socket_timeout": seconds,
        "socket_connect_timeout": seconds if connect_seconds is None else connect_seconds,
        "retry": AsyncRetry(NoBackoff(), 0),
    }
    options = limits | target.options
    if target.kind == "sentinel":
        # Sentinels are asked one after the other, and one that hangs must leave time for the next.
        share = seconds / (len(target.nodes) + 1)
        times = {"socket_timeout": share, "socket_connect_timeout": share}
        group = aio_sentinel.Sentinel(  # type: ignore[no-untyped-call]
            target.nodes, sentinel_kwargs=limits | times | target.of_sentinels, **options
        )
        return cast("aio.Redis", group.master_for(target.name))
    if target.kind == "cluster":
        nodes = [AsyncClusterNode(host, port) for host, port in target.nodes]
        # It has the same commands, and finds the node of each key.
        return cast(
            "aio.Redis",
            aio.RedisCluster(startup_nodes=nodes, **options),
        )
    return aio.Redis.from_pool(aio.ConnectionPool(**options))


async def close_redis(client: aio.Redis) -> None:
    """Disconnect, from the sentinels too; a server that is away is no error."""
    pool = getattr(client, "connection_pool", None)
    group = getattr(pool, "sentinel_manager", None)
    for one in (client, *(group.sentinels if group is not None else ())):
        try:
            await one.aclose()
        except FAULTS:
            continue


@contextmanager
def blocking_redis(url: Secret, *, seconds: float, connect_seconds: float) -> Iterator[redis.Redis]:
    """A client for a program without an event loop, closed at the end of the block.

    Raises:
        SettingsError: the URL cannot be used.
        FAULTS: a cluster does not answer; other servers are connected later.
    """
    target = _target("REDIS_URL", url)
    limits: dict[str, Any] = {
        "socket_timeout": seconds,
        "socket_connect_timeout": connect_seconds,
        "retry": Retry(NoBackoff(), 0),
    }
    options = limits | target.options
    kind = options.pop("connection_class", None)
    with ExitStack() as opened:
        if target.kind == "sentinel":
            group = redis.sentinel.Sentinel(  # type: ignore[no-untyped-call]
                target.nodes, sentinel_kwargs=limits | target.of_sentinels, **options
            )
            for sentinel in group.sentinels:
                opened.callback(sentinel.close)
            client = group.master_for(target.name)  # type: ignore[no-untyped-call]
        elif target.kind == "cluster":
            nodes = [
                ClusterNode(host, port)  # type: ignore[no-untyped-call]
                for host, port in target.nodes
            ]
            client = redis.RedisCluster(startup_nodes=nodes, **options)
        else:
            if kind is UnixDomainSocketConnection:
                options["unix_socket_path"] = options.pop("path", None)
            client = redis.Redis(**options, ssl=kind is SSLConnection)
        opened.callback(client.close)
        yield client


def _target(variable: str, url: Secret) -> _Target:
    try:
        return _parsed(url.reveal())
    except (ValueError, TypeError) as error:
        raise SettingsError(
            f"{variable}={str(url)!r} cannot be used: {url.redact(str(error))}", hint=_FORMS
        ) from None


def _parsed(url: str) -> _Target:
    """What a URL names.

    Raises:
        ValueError, TypeError: it cannot be used; the text says why.
    """
    parts = urlsplit(url)
    if parts.scheme == "unix":
        if not parts.path:
            raise ValueError("it names no socket")
        return _Target("server", (), "", _checked(parse_url(url)), {})
    found = _SCHEME.fullmatch(parts.scheme)
    if found is None:
        raise ValueError(f"the scheme {parts.scheme!r} is none of Redis")
    parts = parts._replace(scheme=f"redis{found['tls']}")
    if found["kind"] is not None:
        return _group(found["kind"], parts, has_tls=bool(found["tls"]))
    if not parts.hostname:
        raise ValueError("it names no host")
    return _Target("server", (), "", _checked(parse_url(urlunsplit(parts))), {})


def _group(kind: str, parts: SplitResult, *, has_tls: bool) -> _Target:
    """What the URL of a group of servers names."""
    user, _, hosts = parts.netloc.rpartition("@")
    nodes = tuple(_node(host, _PORTS[kind]) for host in hosts.split(","))
    path = parts.path.strip("/")
    name, database = path.partition("/")[::2] if kind == "sentinel" else ("", path)
    if kind == "sentinel" and not name:
        raise ValueError("it does not name the primary: redis+sentinel://host:26379/name")
    if kind == "cluster" and database not in ("", "0"):
        raise ValueError("a cluster has no other database than 0")
    if not re.fullmatch(r"\d*", database):
        raise ValueError(f"{database!r} is no number of a database")
    # Users and options as redis-py reads them, of any one host.
    one = parts._replace(netloc=f"{user}@host" if user else "host", path=f"/{database}")
    options: dict[str, Any] = dict(parse_url(urlunsplit(one)))
    of_sentinels = {
        option: options.pop(f"sentinel_{option}")
        for option in _SENTINEL_OPTIONS
        if f"sentinel_{option}" in options
    }
    options = _checked(options)
    for of_one_host in ("host", "connection_class"):
        options.pop(of_one_host, None)
    if has_tls:
        options["ssl"] = of_sentinels["ssl"] = True
    if kind == "cluster":
        options.pop("db", None)
    return _Target(kind, nodes, name, options, of_sentinels)


def _node(text: str, port: int) -> tuple[str, int]:
    """Host and port of `host:port`, `[::1]:port` or a host alone.

    Raises:
        ValueError: it is neither.
    """
    parts = urlsplit(f"//{text}")
    if not parts.hostname:
        raise ValueError("it names no host")
    return parts.hostname, parts.port or port


def _checked(options: Any) -> dict[str, Any]:
    """The options of a connection, if one can be made with them.

    Raises:
        ValueError, TypeError: there is no such option, or it has no such value.
    """
    made = dict(options)
    made.pop("decode_responses", None)  # answers are bytes
    arguments = dict(made)
    kind: Callable[..., Any] = arguments.pop("connection_class", aio.Connection)
    kind(**arguments)
    return made
