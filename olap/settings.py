"""The settings of every program here, read from the environment in this one place.

Each setting is a field of `Settings` with its environment variable, its default and one
sentence of documentation; the README's table is generated from them (`settings_table`) and a
test fails when it is stale. Values are checked when they are read, not when they are used.

Secrets (`DATABASE_URL`, `REDIS_URL`, `JWT_SECRET`) have no place in a log: `Secret` hides the
password in `str()` and `repr()`, `Hidden` all of it, and only `.reveal()` gives the whole.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote, unquote

from olap.errors import SettingsError

_URL_PASSWORD = re.compile(r"(?<=://)([^:/?#@]*:)((?:[^/?#]*|.*)(?=@))", re.DOTALL)
_SECRET_KEY = r"(?:\w*password|oauth_client_secret)"
_QUERY_PASSWORD = re.compile(rf"([?&]{_SECRET_KEY}=)([^&]*)", re.IGNORECASE)
_CONNINFO_PASSWORD = re.compile(
    rf"((?<![?&\w]){_SECRET_KEY}\s*=\s*)('(?:[^'\\]|\\.)*'?|(?:\\.|[^\s\\])+)",
    re.IGNORECASE | re.DOTALL,
)
_PASSWORDS = (_URL_PASSWORD, _QUERY_PASSWORD, _CONNINFO_PASSWORD)


@dataclass(frozen=True, slots=True, repr=False)
class Secret:
    """A connection string whose password never shows in `str()`, `repr()` or a format."""

    _value: str

    def reveal(self) -> str:
        """The connection string as given, for the driver only."""
        return self._value

    def __str__(self) -> str:
        shown = self._value
        for pattern in _PASSWORDS:
            shown = pattern.sub(r"\1***", shown)
        return shown

    def __repr__(self) -> str:
        return f"Secret({str(self)!r})"

    def redact(self, text: str) -> str:
        """`text` with this connection string and its password removed, as drivers may echo them."""
        hidden = text.replace(self._value, str(self))
        for password in sorted(self._passwords(), key=len, reverse=True):
            hidden = hidden.replace(password, "***")
        return hidden

    def _passwords(self) -> set[str]:
        """The passwords as a driver may write them: as given, bare, decoded, cut at a slash."""
        given = {found[1] for pattern in _PASSWORDS for found in pattern.findall(self._value)}
        bare = {re.sub(r"\\(.)", r"\1", p.removeprefix("'").removesuffix("'")) for p in given}
        parts = {part for p in given for part in re.split(r"[/?#]", p)}
        return {form for p in given | bare | parts for form in (p, unquote(p))} - {"", "'", "''"}


@dataclass(frozen=True, slots=True, repr=False)
class Hidden:
    """A key: nothing of it ever shows in `str()`, `repr()` or a format."""

    _value: str

    def reveal(self) -> str:
        """The key as given, for who signs or checks with it."""
        return self._value

    def __repr__(self) -> str:
        return "Hidden('***')"


def _setting(
    variable: str, parse: Callable[[str], Any], default: Any, shown_default: str, about: str
) -> Any:
    """A field read from `variable`; `shown_default` is what the README says of the default."""
    metadata = {"variable": variable, "parse": parse, "shown": shown_default, "about": about}
    return field(default=default, metadata=metadata)


def _whole(minimum: int, maximum: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        value = int(text)
        if not minimum <= value <= maximum:
            raise ValueError(f"must lie between {minimum} and {maximum}")
        return value

    return parse


def _one_of(*choices: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text not in choices:
            raise ValueError(f"must be one of {', '.join(choices)}")
        return text

    return parse


def _size(text: str) -> str:
    if not re.fullmatch(r"[1-9][0-9]*(MB|GB|MiB|GiB)", text):
        raise ValueError("must be a size such as 900MB or 4GB")
    return text


def _origins(text: str) -> tuple[str, ...]:
    origins = tuple(origin.strip() for origin in text.split(","))
    for origin in origins:
        if origin != "*" and not re.fullmatch(r"https?://[^/\s]+", origin):
            raise ValueError("must be origins such as https://chat.example, with commas between")
    return origins


_DAY_SECONDS = 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the environment says; see the README's table for each variable's meaning."""

    database_url: Secret | None = _setting(
        "DATABASE_URL", Secret, None, "the sandbox",
        "PostgreSQL to read, as a libpq URL or key=value string",
    )  # fmt: skip
    data_dir: Path = _setting(
        "DATA_DIR", Path, Path("data"), "`data`",
        "where the lake, the warehouse and the generations are kept",
    )  # fmt: skip
    interval_seconds: int = _setting(
        "ETL_INTERVAL_SECONDS", _whole(1, _DAY_SECONDS), 300, "`300`",
        "seconds between two cycles; `status` measures the lag in these",
    )  # fmt: skip
    demo_interval_seconds: int = _setting(
        "DEMO_INTERVAL_SECONDS", _whole(1, _DAY_SECONDS), 15, "`15`",
        "seconds between two cycles of `make demo`",
    )  # fmt: skip
    lock_timeout_seconds: int = _setting(
        "ETL_LOCK_TIMEOUT_SECONDS", _whole(1, 3600), 5, "`5`",
        "how long a cycle waits for its ACCESS SHARE locks before it gives up",
    )  # fmt: skip
    stall_seconds: int = _setting(
        "ETL_STALL_SECONDS", _whole(1, 3600), 60, "`60`",
        "a PostgreSQL that is silent for so long, and has no answer when asked, is given up",
    )  # fmt: skip
    publish_idle_seconds: int = _setting(
        "PUBLISH_IDLE_SECONDS", _whole(0, _DAY_SECONDS), 900, "`900`",
        "when nothing changed, a generation is published no more often than this",
    )  # fmt: skip
    keep_generations: int = _setting(
        "KEEP_GENERATIONS", _whole(2, 1000), 3, "`3`",
        "how many generations are kept, besides those younger than the grace time",
    )  # fmt: skip
    grace_seconds: int = _setting(
        "GRACE_SECONDS", _whole(0, 30 * _DAY_SECONDS), 900, "`900`",
        "no generation younger than this is removed, nor a lake file it names",
    )  # fmt: skip
    verify_hour: int = _setting(
        "VERIFY_HOUR", _whole(0, 23), 3, "`3`",
        "UTC hour from which, each day, every table and day is proved equal to the source",
    )  # fmt: skip
    verify_budget_rows: int = _setting(
        "VERIFY_BUDGET_ROWS", _whole(1, 10**12), 5_000_000, "`5000000`",
        "how many rows a cycle proves at most; the next cycle goes on",
    )  # fmt: skip
    repair_max_percent: int = _setting(
        "REPAIR_MAX_PERCENT", _whole(0, 100), 5, "`5`",
        "how much of a table a repair removes without `--yes`",
    )  # fmt: skip
    memory_limit: str = _setting(
        "DUCKDB_MEMORY_LIMIT", _size, "800MB", "`800MB`",
        "what DuckDB may hold in memory during a cycle; it spills to `DATA_DIR` beyond",
    )  # fmt: skip
    threads: int = _setting(
        "DUCKDB_THREADS", _whole(1, 256), 2, "`2`",
        "processor threads DuckDB uses during a cycle",
    )  # fmt: skip
    redis_url: Secret = _setting(
        "REDIS_URL", Secret, Secret("redis://localhost:6379/0"), "from the three below",
        "Redis or Valkey for the API's cache",
    )  # fmt: skip
    cache_ttl_seconds: int = _setting(
        "CACHE_TTL_SECONDS", _whole(1, _DAY_SECONDS), 300, "`300`",
        "how long Redis keeps an answer; a new generation is asked anew, however long that is",
    )  # fmt: skip
    cache_memory_mb: int = _setting(
        "CACHE_MEMORY_MB", _whole(1, 100_000), 64, "`64`",
        "megabytes of answers that each worker of the API keeps in memory",
    )  # fmt: skip
    api_dir: Path | None = _setting(
        "API_DIR", Path, None, "`DATA_DIR/api`",
        "where the workers of the API keep the file that says which generation answers",
    )  # fmt: skip
    api_threads: int = _setting(
        "API_THREADS", _whole(1, 256), 4, "`4`",
        "how many metrics each worker of the API asks at a time",
    )  # fmt: skip
    api_memory_limit: str = _setting(
        "API_MEMORY_LIMIT", _size, "400MB", "`400MB`",
        "what DuckDB may hold in memory in each worker of the API",
    )  # fmt: skip
    query_timeout_seconds: int = _setting(
        "QUERY_TIMEOUT_SECONDS", _whole(1, 3600), 10, "`10`",
        "a metric that is asked for longer is interrupted: 503",
    )  # fmt: skip
    scope_max_age_seconds: int = _setting(
        "SCOPE_MAX_AGE_SECONDS", _whole(1, 365 * _DAY_SECONDS), 3600, "`3600`",
        "members get 503 when the data are older: membership is authorization",
    )  # fmt: skip
    cors_origins: tuple[str, ...] = _setting(
        "CORS_ORIGINS", _origins, (), "none",
        "web pages that may ask from a browser: their origins, with commas between, or `*`",
    )  # fmt: skip
    jwt_secret: Hidden | None = _setting(
        "JWT_SECRET", Hidden, None, "none",
        "verifies tokens signed with HS256, and signs those of `python -m api token`; 32 bytes or "
        "more",
    )  # fmt: skip
    jwt_public_key: str | None = _setting(
        "JWT_PUBLIC_KEY", str, None, "none",
        "verifies tokens signed with RS256, ES256 or EdDSA: a PEM text, or the path of its file",
    )  # fmt: skip
    jwt_jwks_file: Path | None = _setting(
        "JWT_JWKS_FILE", Path, None, "none",
        "the same for several keys: a JSON Web Key Set; read again when the file changes",
    )  # fmt: skip
    jwt_audience: str | None = _setting(
        "JWT_AUDIENCE", str, None, "any", "the audience (`aud`) that a token must name",
    )  # fmt: skip
    jwt_issuer: str | None = _setting(
        "JWT_ISSUER", str, None, "any", "the issuer (`iss`) that a token must name",
    )  # fmt: skip
    rate_limit: int = _setting(
        "RATE_LIMIT_PER_MINUTE", _whole(1, 10**9), 600, "`600`",
        "requests a minute that one subject may make",
    )  # fmt: skip
    compute_limit: int = _setting(
        "COMPUTE_LIMIT_PER_MINUTE", _whole(1, 10**9), 60, "`60`",
        "answers a minute that are computed for one subject, because no cache has them",
    )  # fmt: skip
    events_database_url: Secret | None = _setting(
        "EVENTS_DATABASE_URL", Secret, None, "`DATABASE_URL`",
        "PostgreSQL to which `POST /events` writes; its role needs INSERT on `analytics_events`",
    )  # fmt: skip
    events_redis_url: Secret | None = _setting(
        "EVENTS_REDIS_URL", Secret, None, "none",
        "a durable Redis or Valkey that keeps events while PostgreSQL is away",
    )  # fmt: skip
    log_format: Literal["console", "json"] = _setting(
        "LOG_FORMAT", _one_of("console", "json"), "console", "`console`",
        "`console` for people, `json` for one object a line",
    )  # fmt: skip
    log_level: Literal["debug", "info", "warning", "error"] = _setting(
        "LOG_LEVEL", _one_of("debug", "info", "warning", "error"), "info", "`info`",
        "the least important level that is logged",
    )  # fmt: skip
    sandbox_dir: Path = _setting(
        "SANDBOX_DIR", Path, Path("build/sandbox"), "`build/sandbox`",
        "where the sandbox keeps PostgreSQL and Valkey, when `DATABASE_URL` is not set",
    )  # fmt: skip
    sandbox_data: Literal["traffic", "chitchat"] = _setting(
        "SANDBOX_DATA", _one_of("traffic", "chitchat"), "traffic", "`traffic`",
        "what fills the sandbox: generated traffic, or the real corpus `chitchat`",
    )  # fmt: skip
    sandbox_messages: int = _setting(
        "SANDBOX_MESSAGES", _whole(1_000, 50_000_000), 100_000, "`100000`",
        "how many messages the traffic generator makes",
    )  # fmt: skip

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> Settings:
        """The settings that `environ` gives; an empty variable counts as not set.

        Raises:
            SettingsError: a value cannot be used; it names the variable, never a secret.
        """
        given: dict[str, Any] = {}
        for setting in fields(cls):
            variable = setting.metadata["variable"]
            text = environ.get(variable, "").strip()
            if text:
                given[setting.name] = _parsed(variable, setting.metadata["parse"], text)
        if "redis_url" not in given:
            given["redis_url"] = _redis_url(environ)
        return cls(**given)


# The requirement names these three; they only spell REDIS_URL in parts.
_REDIS_PARTS: tuple[tuple[str, Callable[[str], Any], str, str], ...] = (
    ("REDIS_HOST", str, "localhost", "host of Redis, when `REDIS_URL` is not set"),
    ("REDIS_PORT", _whole(1, 65535), "6379", "its port"),
    ("REDIS_DB", _whole(0, 1_000_000), "0", "its database number"),
)


def _redis_url(environ: Mapping[str, str]) -> Secret:
    host, port, number = (
        _parsed(variable, parse, environ.get(variable) or default)
        for variable, parse, default, _ in _REDIS_PARTS
    )
    if ":" in host and not host.startswith("["):
        host = f"[{host}]"  # an IPv6 address
    return Secret(f"redis://{quote(host, safe=':[]')}:{port}/{number}")


def _parsed(variable: str, parse: Callable[[str], Any], text: str) -> Any:
    try:
        return parse(text)
    except ValueError as error:
        raise SettingsError(
            f"{variable}={text!r} cannot be used: {error}",
            hint=f"Correct {variable}, or unset it to get the default (README, Settings).",
        ) from None


def settings_table() -> str:
    """The README's table of settings, in Markdown: variable, default, meaning."""
    rows = [
        (s.metadata["variable"], s.metadata["shown"], s.metadata["about"]) for s in fields(Settings)
    ]
    after_url = next(i for i, row in enumerate(rows) if row[0] == "REDIS_URL") + 1
    rows[after_url:after_url] = [
        (name, f"`{default}`", about) for name, _, default, about in _REDIS_PARTS
    ]
    lines = ["| variable | default | meaning |", "|---|---|---|"]
    lines += [f"| `{variable}` | {shown} | {about} |" for variable, shown, about in rows]
    return "\n".join(lines) + "\n"
