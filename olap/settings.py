"""The settings of all programs, read from the environment here and nowhere else.

Each setting is a field of `Settings` with its environment variable, its default, one sentence of
documentation and the program that uses it. The tables of settings in the READMEs are generated
from the fields (`settings_table`), and a test fails when one is stale. Values are validated when
they are read, not when they are used.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

from olap.errors import SettingsError
from olap.paths import directory_for_databases, literal
from olap.secret import Hidden, Secret


class Program(StrEnum):
    """The program that uses a setting; each has its own table of settings."""

    PIPELINE = "pipeline"
    API = "api"
    SANDBOX = "sandbox"


def _setting(
    program: Program,
    variable: str,
    parse: Callable[[str], Any],
    default: Any,
    shown_default: str,
    about: str,
) -> Any:
    """A field read from `variable`; `shown_default` and `about` are its texts in the table."""
    metadata = {
        "program": program,
        "variable": variable,
        "parse": parse,
        "shown": shown_default,
        "about": about,
    }
    return field(default=default, metadata=metadata)


def _whole(minimum: int, maximum: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if re.fullmatch(r"[+-]?\d{1,18}", text, re.ASCII) is None:
            raise ValueError("must be a whole number")
        value = int(text)
        if not minimum <= value <= maximum:
            raise ValueError(f"must be between {minimum} and {maximum}")
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


def _engine_path(text: str) -> str:
    if not re.match(r"/|[a-z0-9]+://", text):
        raise ValueError(
            "must be an absolute path or a URL, such as /dbfs/data or s3a://bucket/data"
        )
    return text.rstrip("/")


def _prefix(text: str) -> str:
    # `:` ends the prefix in a key, and the characters of a pattern would erase more than is meant.
    if not re.fullmatch(r"[A-Za-z0-9._-]{1,64}", text, re.ASCII):
        raise ValueError("must have 1 to 64 letters, digits, dots, underscores or hyphens")
    return text


def _one_of_two(text: str) -> bool:
    if text not in ("0", "1"):
        raise ValueError("must be 0 or 1")
    return text == "1"


def _origins(text: str) -> tuple[str, ...]:
    origins = tuple(origin.strip() for origin in text.split(","))
    for origin in origins:
        if origin != "*" and not re.fullmatch(r"https?://[^/\s]+", origin):
            raise ValueError("must be origins such as https://chat.example, separated by commas")
    return origins


def _page_origins(text: str) -> tuple[str, ...]:
    origins = tuple(origin.strip() for origin in text.split(","))
    host = r"[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\]"  # nothing that could end a directive of a policy
    for origin in origins:
        if not re.fullmatch(rf"https?://({host})(:[0-9]{{1,5}})?", origin):
            raise ValueError("must be origins such as https://chat.example, separated by commas")
    return origins


def _root_path(text: str) -> str:
    if not re.fullmatch(r"(/[A-Za-z0-9._~-]+)*/?", text):
        raise ValueError("must be a path such as /chat")
    return text.rstrip("/")


_DAY_SECONDS = 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All settings; the sentence of each field documents it."""

    database_url: Secret | None = _setting(
        Program.PIPELINE, "DATABASE_URL", Secret, None, "the sandbox",
        "the PostgreSQL database to read: a libpq URL or key=value string",
    )  # fmt: skip
    source_mapping: str = _setting(
        Program.PIPELINE, "SOURCE_MAPPING", str, "messenger", "`messenger`",
        "how the messenger's tables are read: the name of a folder below `sql/source`, or the "
        "path of a folder; the API reads it too",
    )  # fmt: skip
    source_row_security: Literal["refused", "trusted"] = _setting(
        Program.PIPELINE, "SOURCE_ROW_SECURITY", _one_of("refused", "trusted"), "refused",
        "`refused`",
        "what to do if row-level security may hide rows from the role: `refused` stops; "
        "`trusted` is your word that its policies show the role every row",
    )  # fmt: skip
    data_dir: Path = _setting(
        Program.PIPELINE, "DATA_DIR", directory_for_databases, Path("data"), "`data`",
        "directory of the lake, the warehouse and the generations, without `?` and `\\` in its "
        "path; the API reads it too",
    )  # fmt: skip
    etl_mode: Literal["auto", "scan", "slot", "log"] = _setting(
        Program.PIPELINE, "ETL_MODE", _one_of("auto", "scan", "slot", "log"), "auto", "`auto`",
        "how a cycle finds what changed: `scan` of the tables, a `slot` or a `log` that was "
        "installed at the source; `auto` takes the slot or the log if it is there and sound",
    )  # fmt: skip
    interval_seconds: int = _setting(
        Program.PIPELINE, "ETL_INTERVAL_SECONDS", _whole(1, _DAY_SECONDS), 300, "`300`",
        "seconds from the start of one cycle to the start of the next; `status` measures the "
        "lag in these intervals",
    )  # fmt: skip
    demo_interval_seconds: int = _setting(
        Program.SANDBOX, "DEMO_INTERVAL_SECONDS", _whole(1, _DAY_SECONDS), 15, "`15`",
        "seconds from the start of one cycle to the start of the next of the demo",
    )  # fmt: skip
    lock_timeout_seconds: int = _setting(
        Program.PIPELINE, "ETL_LOCK_TIMEOUT_SECONDS", _whole(1, 3600), 5, "`5`",
        "how long a cycle waits for its ACCESS SHARE locks before it fails",
    )  # fmt: skip
    stall_seconds: int = _setting(
        Program.PIPELINE, "ETL_STALL_SECONDS", _whole(1, 3600), 60, "`60`",
        "how long PostgreSQL may be silent before the connection is dropped; a query that is "
        "running is not silence",
    )  # fmt: skip
    publish_idle_seconds: int = _setting(
        Program.PIPELINE, "PUBLISH_IDLE_SECONDS", _whole(0, _DAY_SECONDS), 900, "`900`",
        "minimum seconds between two generations when nothing changed",
    )  # fmt: skip
    keep_generations: int = _setting(
        Program.PIPELINE, "KEEP_GENERATIONS", _whole(2, 1000), 3, "`3`",
        "how many generations are kept; younger ones than `GRACE_SECONDS` are kept in any case",
    )  # fmt: skip
    grace_seconds: int = _setting(
        Program.PIPELINE, "GRACE_SECONDS", _whole(0, 30 * _DAY_SECONDS), 900, "`900`",
        "minimum age at which a generation, and a lake file that it names, may be removed",
    )  # fmt: skip
    reuse_generations: bool = _setting(
        Program.PIPELINE, "REUSE_GENERATIONS", _one_of_two, True, "`1`",
        "whether a new generation may be written into the file of a removed one that nobody has "
        "open; `0` where `DATA_DIR` is exported by NFS 3, whose readers the kernel cannot see",
    )  # fmt: skip
    lake_format: Literal["parquet", "delta"] = _setting(
        Program.PIPELINE, "LAKE_FORMAT", _one_of("parquet", "delta"), "parquet", "`parquet`",
        "`delta` also publishes the lake of each generation as Delta tables, for engines that read "
        "these; it needs the extra `delta`",
    )  # fmt: skip
    verify_hour: int = _setting(
        Program.PIPELINE, "VERIFY_HOUR", _whole(0, 23), 3, "`3`",
        "UTC hour from which, once a day, all tables and days are compared with the source",
    )  # fmt: skip
    verify_budget_rows: int = _setting(
        Program.PIPELINE, "VERIFY_BUDGET_ROWS", _whole(1, 10**12), 5_000_000, "`5000000`",
        "how many rows of the daily proof one cycle compares at most; the next cycle continues",
    )  # fmt: skip
    repair_max_percent: int = _setting(
        Program.PIPELINE, "REPAIR_MAX_PERCENT", _whole(0, 100), 5, "`5`",
        "percentage of a table's rows that are removed unasked when they are gone at the source; "
        "of a small table up to 20 rows, if more stay than go; with 0 none",
    )  # fmt: skip
    memory_limit: str = _setting(
        Program.PIPELINE, "DUCKDB_MEMORY_LIMIT", _size, "800MB", "`800MB`",
        "memory limit of DuckDB during a cycle; beyond it, DuckDB spills to `DATA_DIR`",
    )  # fmt: skip
    threads: int = _setting(
        Program.PIPELINE, "DUCKDB_THREADS", _whole(1, 256), 2, "`2`",
        "threads of DuckDB, in a cycle and in each worker of the API",
    )  # fmt: skip
    fold_on: Hidden | None = _setting(
        Program.PIPELINE, "FOLD_ON", Hidden, None, "none",
        "the engine that makes the rollups of a first load and of a rebuild: `sail` in this "
        "process, or a Spark Connect server such as `sc://host:15002`",
    )  # fmt: skip
    engine_data_dir: str = _setting(
        Program.PIPELINE, "ENGINE_DATA_DIR", _engine_path, "", "`DATA_DIR`",
        "where an engine sees `DATA_DIR`: an absolute path, or a URL; the API reads it too",
    )  # fmt: skip
    redis_url: Secret = _setting(
        Program.API, "REDIS_URL", Secret, Secret("redis://localhost:6379/0"), "from the next three",
        "Redis or Valkey for the cache, the rate limits and the recent events: a server, Sentinel "
        "or a cluster",
    )  # fmt: skip
    redis_prefix: str | None = _setting(
        Program.API, "REDIS_PREFIX", _prefix, None, "from the source's identity",
        "beginning of every key in Redis, which tells deployments that share one apart; needed "
        "where the source is a physical copy of another deployment's. `erase` reads it too",
    )  # fmt: skip
    cache_secret: Hidden | None = _setting(
        Program.API, "CACHE_SECRET", Hidden, None, "`JWT_SECRET`",
        "authenticates what Redis returns; at least 32 bytes, the same in all processes. Without "
        "it and `JWT_SECRET`, answers and recent events are not kept in Redis",
    )  # fmt: skip
    cache_ttl_seconds: int = _setting(
        Program.API, "CACHE_TTL_SECONDS", _whole(1, _DAY_SECONDS), 300, "`300`",
        "how long Redis keeps an answer; a new generation never uses answers of an older one",
    )  # fmt: skip
    cache_memory_mb: int = _setting(
        Program.API, "CACHE_MEMORY_MB", _whole(1, 100_000), 64, "`64`",
        "megabytes of answers that each worker keeps in memory",
    )  # fmt: skip
    api_dir: Path | None = _setting(
        Program.API, "API_DIR", Path, None, "`DATA_DIR/api`",
        "directory of the file that tells all workers which generation to use",
    )  # fmt: skip
    state_dir: Path | None = _setting(
        Program.API, "STATE_DIR", Path, None, "`DATA_DIR/state`",
        "directory of what people keep, their views and dashboards; back it up. `erase` writes it "
        "too",
    )  # fmt: skip
    api_threads: int = _setting(
        Program.API, "API_THREADS", _whole(1, 256), 4, "`4`",
        "how many queries each worker runs at the same time",
    )  # fmt: skip
    api_memory_limit: str = _setting(
        Program.API, "API_MEMORY_LIMIT", _size, "400MB", "`400MB`",
        "memory limit of DuckDB in each worker",
    )  # fmt: skip
    api_connections: int = _setting(
        Program.API, "API_CONNECTIONS", _whole(1, 1_000_000), 1000, "`1000`",
        "how many connections each worker has at most; beyond them one without a request is closed "
        "for the next one, or that gets 503",
    )  # fmt: skip
    root_path: str = _setting(
        Program.API, "ROOT_PATH", _root_path, "", "none",
        "the path under which a proxy serves the API, such as `/chat`; `--root-path` overrides it",
    )  # fmt: skip
    query_timeout_seconds: int = _setting(
        Program.API, "QUERY_TIMEOUT_SECONDS", _whole(1, 3600), 10, "`10`",
        "how long a query may run before it is interrupted and answered with 503",
    )  # fmt: skip
    engine_url: Hidden | None = _setting(
        Program.API, "ENGINE_URL", Hidden, None, "none",
        "the engine that answers long periods, and `engine metric` and `engine rollups`: "
        "`sc://HOST:PORT` of Spark Connect, or `sail` in the process",
    )  # fmt: skip
    engine_above_days: int = _setting(
        Program.API, "ENGINE_ABOVE_DAYS", _whole(0, 100_000), 90, "`90`",
        "periods of more days than this are answered by the engine, if there is one",
    )  # fmt: skip
    engine_timeout_seconds: int = _setting(
        Program.API, "ENGINE_TIMEOUT_SECONDS", _whole(1, 3600), 60, "`60`",
        "how long a question may take on the engine before it is answered with 503",
    )  # fmt: skip
    engine_threads: int = _setting(
        Program.API, "ENGINE_THREADS", _whole(1, 256), 4, "`4`",
        "how many questions each worker asks the engine at the same time",
    )  # fmt: skip
    scope_max_age_seconds: int = _setting(
        Program.API, "SCOPE_MAX_AGE_SECONDS", _whole(1, 365 * _DAY_SECONDS), 3600, "`3600`",
        "age of the data beyond which members get 503, because membership is authorization",
    )  # fmt: skip
    cors_origins: tuple[str, ...] = _setting(
        Program.API, "CORS_ORIGINS", _origins, (), "none",
        "origins of web pages that may call the API from a browser, separated by commas, or `*`",
    )  # fmt: skip
    frame_ancestors: tuple[str, ...] = _setting(
        Program.API, "FRAME_ANCESTORS", _page_origins, (), "none",
        "origins of web pages that may show the dashboard in a frame, separated by commas",
    )  # fmt: skip
    jwt_secret: Hidden | None = _setting(
        Program.API, "JWT_SECRET", Hidden, None, "none",
        "verifies tokens signed with HS256, and signs those of the command `token`; at least "
        "32 bytes",
    )  # fmt: skip
    jwt_public_key: str | None = _setting(
        Program.API, "JWT_PUBLIC_KEY", str, None, "none",
        "verifies tokens signed with RS256, ES256 or EdDSA: a PEM text, or the path of a PEM file",
    )  # fmt: skip
    jwt_jwks_file: Path | None = _setting(
        Program.API, "JWT_JWKS_FILE", Path, None, "none",
        "the same for several keys: the path of a JSON Web Key Set, which is read again when "
        "it changes",
    )  # fmt: skip
    jwt_audience: str | None = _setting(
        Program.API, "JWT_AUDIENCE", str, None, "any",
        "the audience (`aud`) that a token must name",
    )  # fmt: skip
    jwt_issuer: str | None = _setting(
        Program.API, "JWT_ISSUER", str, None, "any",
        "the issuer (`iss`) that a token must name",
    )  # fmt: skip
    rate_limit: int = _setting(
        Program.API, "RATE_LIMIT_PER_MINUTE", _whole(1, 10**9), 600, "`600`",
        "requests per minute of one subject in one role",
    )  # fmt: skip
    compute_limit: int = _setting(
        Program.API, "COMPUTE_LIMIT_PER_MINUTE", _whole(1, 10**9), 300, "`300`",
        "answers per minute that are computed for one subject in one role because no cache has "
        "them",
    )  # fmt: skip
    anonymous_limit: int = _setting(
        Program.API, "ANONYMOUS_LIMIT_PER_MINUTE", _whole(1, 10**9), 300, "`300`",
        "requests per minute without a valid token from one address (of IPv6 from one /64), "
        "`/health`, `/metrics` and the pages included",
    )  # fmt: skip
    events_database_url: Secret | None = _setting(
        Program.API, "EVENTS_DATABASE_URL", Secret, None, "`DATABASE_URL`",
        "the PostgreSQL database to which `POST /events` writes, by the `sink` of the mapping; its "
        "role needs INSERT on that table",
    )  # fmt: skip
    events_redis_url: Secret | None = _setting(
        Program.API, "EVENTS_REDIS_URL", Secret, None, "none",
        "a durable Redis or Valkey that keeps events while PostgreSQL is unavailable",
    )  # fmt: skip
    events_move_unnamed: bool = _setting(
        Program.API, "EVENTS_MOVE_UNNAMED", _one_of_two, False, "`0`",
        "`1` also moves the events that an earlier version left in `analytics-events:waiting`, a "
        "name that deployments shared; set it where they were accepted",
    )  # fmt: skip
    log_format: Literal["console", "json"] = _setting(
        Program.PIPELINE, "LOG_FORMAT", _one_of("console", "json"), "console", "`console`",
        "`console` for people, `json` for one object per line; also for the API",
    )  # fmt: skip
    log_level: Literal["debug", "info", "warning", "error"] = _setting(
        Program.PIPELINE,
        "LOG_LEVEL", _one_of("debug", "info", "warning", "error"), "info", "`info`",
        "the lowest level that is logged: debug, info, warning or error; also for the API",
    )  # fmt: skip
    sandbox_dir: Path = _setting(
        Program.SANDBOX, "SANDBOX_DIR", Path, Path("build/sandbox"), "`build/sandbox`",
        "directory of the sandbox's PostgreSQL and Valkey, which run if `DATABASE_URL` is not set",
    )  # fmt: skip
    sandbox_data: Literal["traffic", "chitchat"] = _setting(
        Program.SANDBOX, "SANDBOX_DATA", _one_of("traffic", "chitchat"), "traffic", "`traffic`",
        "what fills the sandbox: generated `traffic`, or the `chitchat` corpus of real chats",
    )  # fmt: skip
    sandbox_messages: int = _setting(
        Program.SANDBOX, "SANDBOX_MESSAGES", _whole(1_000, 50_000_000), 100_000, "`100000`",
        "how many messages the traffic generator makes",
    )  # fmt: skip

    @property
    def seen_by_engine(self) -> str:
        """Where an engine sees `DATA_DIR`."""
        return self.engine_data_dir or literal(self.data_dir)

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> Settings:
        """The settings from `environ`; an empty variable counts as not set.

        Raises:
            SettingsError: a value is invalid; the error names the variable and shows no secret.
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


# The parts of REDIS_URL, as the requirement names them.
_REDIS_PARTS: tuple[tuple[str, Callable[[str], Any], str, str], ...] = (
    ("REDIS_HOST", str, "localhost", "host of Redis, if `REDIS_URL` is not set"),
    ("REDIS_PORT", _whole(1, 65535), "6379", "port of Redis, if `REDIS_URL` is not set"),
    ("REDIS_DB", _whole(0, 1_000_000), "0", "database number, if `REDIS_URL` is not set"),
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
            f"{variable}={text!r} is invalid: {error}",
            hint=f"Correct {variable}, or unset it to use the default (etl/README.md and "
            "api/README.md list all settings).",
        ) from None


def settings_table(program: Program) -> str:
    """The settings of one program as a Markdown table: variable, default, meaning."""
    rows: list[tuple[str, str, str]] = []
    for setting in fields(Settings):
        data = setting.metadata
        if data["program"] is program:
            rows.append((data["variable"], data["shown"], data["about"]))
        if program is Program.API and data["variable"] == "REDIS_URL":
            rows += [(name, f"`{default}`", about) for name, _, default, about in _REDIS_PARTS]
    lines = ["| variable | default | meaning |", "|---|---|---|"]
    lines += [f"| `{variable}` | {shown} | {about} |" for variable, shown, about in rows]
    return "\n".join(lines) + "\n"
