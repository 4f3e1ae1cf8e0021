"""Settings: each variable, invalid values, and passwords that never appear."""

from __future__ import annotations

import ast
import dataclasses
import re
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg import pq

from olap import log
from olap.errors import SettingsError
from olap.secret import Hidden, Secret
from olap.settings import Program, Settings, settings_table

ROOT = Path(__file__).parents[1]
PASSWORD = "s3cr-et"

DEFAULTS: dict[str, Any] = {
    "database_url": None,
    "source_mapping": "messenger",
    "source_row_security": "refused",
    "data_dir": Path("data"),
    "etl_mode": "auto",
    "interval_seconds": 300,
    "demo_interval_seconds": 15,
    "lock_timeout_seconds": 5,
    "stall_seconds": 60,
    "publish_idle_seconds": 900,
    "keep_generations": 3,
    "reuse_generations": True,
    "fold_on": None,
    "engine_data_dir": "",
    "lake_format": "parquet",
    "grace_seconds": 900,
    "memory_limit": "800MB",
    "threads": 2,
    "verify_hour": 3,
    "verify_budget_rows": 5_000_000,
    "repair_max_percent": 5,
    "redis_url": Secret("redis://localhost:6379/0"),
    "redis_prefix": None,
    "cache_secret": None,
    "jwt_secret": None,
    "jwt_public_key": None,
    "jwt_jwks_file": None,
    "jwt_audience": None,
    "jwt_issuer": None,
    "cache_ttl_seconds": 300,
    "cache_memory_mb": 64,
    "api_dir": None,
    "state_dir": None,
    "api_connections": 1000,
    "api_threads": 4,
    "root_path": "",
    "api_memory_limit": "400MB",
    "query_timeout_seconds": 10,
    "engine_url": None,
    "engine_above_days": 90,
    "engine_timeout_seconds": 60,
    "engine_threads": 4,
    "scope_max_age_seconds": 3600,
    "cors_origins": (),
    "frame_ancestors": (),
    "rate_limit": 600,
    "compute_limit": 300,
    "anonymous_limit": 300,
    "events_database_url": None,
    "events_redis_url": None,
    "events_move_unnamed": False,
    "log_format": "console",
    "log_level": "info",
    "sandbox_dir": Path("build/sandbox"),
    "sandbox_data": "traffic",
    "sandbox_messages": 100_000,
}

# variable, text, field, value
READ = [
    ("DATABASE_URL", "host=h dbname=d", "database_url", Secret("host=h dbname=d")),
    ("SOURCE_MAPPING", "synapse", "source_mapping", "synapse"),
    ("SOURCE_ROW_SECURITY", "trusted", "source_row_security", "trusted"),
    ("DATA_DIR", "/srv/analytics", "data_dir", Path("/srv/analytics")),
    ("ETL_MODE", "slot", "etl_mode", "slot"),
    ("ETL_INTERVAL_SECONDS", "60", "interval_seconds", 60),
    ("DEMO_INTERVAL_SECONDS", "3", "demo_interval_seconds", 3),
    ("ETL_LOCK_TIMEOUT_SECONDS", "7", "lock_timeout_seconds", 7),
    ("ETL_STALL_SECONDS", "9", "stall_seconds", 9),
    ("PUBLISH_IDLE_SECONDS", "0", "publish_idle_seconds", 0),
    ("KEEP_GENERATIONS", "2", "keep_generations", 2),
    ("REUSE_GENERATIONS", "0", "reuse_generations", False),
    ("FOLD_ON", "sc://spark:15002", "fold_on", Hidden("sc://spark:15002")),
    ("ENGINE_DATA_DIR", "s3a://bucket/data/", "engine_data_dir", "s3a://bucket/data"),
    ("LAKE_FORMAT", "delta", "lake_format", "delta"),
    ("GRACE_SECONDS", "2592000", "grace_seconds", 2_592_000),
    ("DUCKDB_MEMORY_LIMIT", "4GB", "memory_limit", "4GB"),
    ("DUCKDB_THREADS", "16", "threads", 16),
    ("VERIFY_HOUR", "23", "verify_hour", 23),
    ("VERIFY_BUDGET_ROWS", "1", "verify_budget_rows", 1),
    ("REPAIR_MAX_PERCENT", "0", "repair_max_percent", 0),
    ("REDIS_URL", "redis://cache/3", "redis_url", Secret("redis://cache/3")),
    ("REDIS_HOST", "cache", "redis_url", Secret("redis://cache:6379/0")),
    ("REDIS_PORT", "6380", "redis_url", Secret("redis://localhost:6380/0")),
    ("REDIS_DB", "4", "redis_url", Secret("redis://localhost:6379/4")),
    ("REDIS_PREFIX", "chat-2", "redis_prefix", "chat-2"),
    ("CACHE_SECRET", PASSWORD, "cache_secret", Hidden(PASSWORD)),
    ("JWT_SECRET", PASSWORD, "jwt_secret", Hidden(PASSWORD)),
    ("JWT_PUBLIC_KEY", "/etc/key.pem", "jwt_public_key", "/etc/key.pem"),
    ("JWT_JWKS_FILE", "/etc/jwks.json", "jwt_jwks_file", Path("/etc/jwks.json")),
    ("JWT_AUDIENCE", "analytics", "jwt_audience", "analytics"),
    ("JWT_ISSUER", "https://login", "jwt_issuer", "https://login"),
    ("CACHE_TTL_SECONDS", "60", "cache_ttl_seconds", 60),
    ("CACHE_MEMORY_MB", "8", "cache_memory_mb", 8),
    ("API_DIR", "/run/analytics", "api_dir", Path("/run/analytics")),
    ("STATE_DIR", "/srv/state", "state_dir", Path("/srv/state")),
    ("API_CONNECTIONS", "50", "api_connections", 50),
    ("API_THREADS", "2", "api_threads", 2),
    ("ROOT_PATH", "/chat/", "root_path", "/chat"),
    ("API_MEMORY_LIMIT", "1GB", "api_memory_limit", "1GB"),
    ("QUERY_TIMEOUT_SECONDS", "3", "query_timeout_seconds", 3),
    ("ENGINE_URL", f"sc://h/;token={PASSWORD}", "engine_url", Hidden(f"sc://h/;token={PASSWORD}")),
    ("ENGINE_ABOVE_DAYS", "0", "engine_above_days", 0),
    ("ENGINE_TIMEOUT_SECONDS", "3", "engine_timeout_seconds", 3),
    ("ENGINE_THREADS", "1", "engine_threads", 1),
    ("SCOPE_MAX_AGE_SECONDS", "600", "scope_max_age_seconds", 600),
    ("CORS_ORIGINS", "https://a.example, *", "cors_origins", ("https://a.example", "*")),
    (
        "FRAME_ANCESTORS",
        "https://chat.example:8443, http://[::1]",
        "frame_ancestors",
        ("https://chat.example:8443", "http://[::1]"),
    ),
    ("RATE_LIMIT_PER_MINUTE", "1", "rate_limit", 1),
    ("COMPUTE_LIMIT_PER_MINUTE", "2", "compute_limit", 2),
    ("ANONYMOUS_LIMIT_PER_MINUTE", "3", "anonymous_limit", 3),
    ("EVENTS_DATABASE_URL", "host=e", "events_database_url", Secret("host=e")),
    ("EVENTS_REDIS_URL", "redis://e", "events_redis_url", Secret("redis://e")),
    ("EVENTS_MOVE_UNNAMED", "1", "events_move_unnamed", True),
    ("LOG_FORMAT", "json", "log_format", "json"),
    ("LOG_LEVEL", "debug", "log_level", "debug"),
    ("SANDBOX_DIR", "elsewhere/sandbox", "sandbox_dir", Path("elsewhere/sandbox")),
    ("SANDBOX_DATA", "chitchat", "sandbox_data", "chitchat"),
    ("SANDBOX_MESSAGES", "1000", "sandbox_messages", 1_000),
]

# variable, text, part of the message
REFUSED = [
    ("REDIS_PREFIX", "chat:2", "must have 1 to 64 letters"),
    ("REDIS_PREFIX", "chat*", "must have 1 to 64 letters"),
    ("REDIS_PREFIX", "c" * 65, "must have 1 to 64 letters"),
    ("ANONYMOUS_LIMIT_PER_MINUTE", "0", "must be between 1 and 1000000000"),
    ("EVENTS_MOVE_UNNAMED", "yes", "must be 0 or 1"),
    ("SOURCE_ROW_SECURITY", "off", "must be one of refused, trusted"),
    ("ETL_MODE", "wal", "must be one of auto, scan, slot, log"),
    ("ETL_INTERVAL_SECONDS", "0", "must be between 1 and 86400"),
    ("ETL_INTERVAL_SECONDS", "86401", "must be between 1 and 86400"),
    ("ETL_INTERVAL_SECONDS", "five", "must be a whole number"),
    ("ETL_INTERVAL_SECONDS", "1.5", "must be a whole number"),
    ("DEMO_INTERVAL_SECONDS", "0", "must be between 1 and 86400"),
    ("ETL_LOCK_TIMEOUT_SECONDS", "0", "must be between 1 and 3600"),
    ("ETL_STALL_SECONDS", "0", "must be between 1 and 3600"),
    ("PUBLISH_IDLE_SECONDS", "-1", "must be between 0 and 86400"),
    ("KEEP_GENERATIONS", "1", "must be between 2 and 1000"),
    ("REUSE_GENERATIONS", "yes", "must be 0 or 1"),
    ("ENGINE_DATA_DIR", "data", "must be an absolute path or a URL"),
    ("LAKE_FORMAT", "iceberg", "must be one of parquet, delta"),
    ("GRACE_SECONDS", "2592001", "must be between 0 and 2592000"),
    ("DUCKDB_MEMORY_LIMIT", "800", "must be a size such as 900MB or 4GB"),
    ("DUCKDB_MEMORY_LIMIT", "0GB", "must be a size such as 900MB or 4GB"),
    ("DUCKDB_MEMORY_LIMIT", "80%", "must be a size such as 900MB or 4GB"),
    ("DUCKDB_THREADS", "257", "must be between 1 and 256"),
    ("VERIFY_HOUR", "24", "must be between 0 and 23"),
    ("VERIFY_BUDGET_ROWS", "0", "must be between 1 and 1000000000000"),
    ("REPAIR_MAX_PERCENT", "101", "must be between 0 and 100"),
    ("CACHE_TTL_SECONDS", "0", "must be between 1 and 86400"),
    ("CACHE_MEMORY_MB", "0", "must be between 1 and 100000"),
    ("API_CONNECTIONS", "0", "must be between 1 and 1000000"),
    ("API_THREADS", "0", "must be between 1 and 256"),
    ("ROOT_PATH", "chat", "must be a path such as /chat"),
    ("API_MEMORY_LIMIT", "lots", "must be a size such as 900MB or 4GB"),
    ("QUERY_TIMEOUT_SECONDS", "0", "must be between 1 and 3600"),
    ("ENGINE_ABOVE_DAYS", "-1", "must be between 0 and 100000"),
    ("ENGINE_TIMEOUT_SECONDS", "0", "must be between 1 and 3600"),
    ("ENGINE_THREADS", "0", "must be between 1 and 256"),
    ("SCOPE_MAX_AGE_SECONDS", "0", "must be between 1 and 31536000"),
    ("CORS_ORIGINS", "https://a.example/path", "must be origins such as https://chat.example"),
    ("FRAME_ANCESTORS", "*", "must be origins such as https://chat.example"),
    ("FRAME_ANCESTORS", "https://a.example;script-src", "must be origins such as"),
    ("RATE_LIMIT_PER_MINUTE", "0", "must be between 1 and 1000000000"),
    ("COMPUTE_LIMIT_PER_MINUTE", "0", "must be between 1 and 1000000000"),
    ("REDIS_PORT", "0", "must be between 1 and 65535"),
    ("REDIS_PORT", "65536", "must be between 1 and 65535"),
    ("REDIS_DB", "-1", "must be between 0 and 1000000"),
    ("LOG_FORMAT", "JSON", "must be one of console, json"),
    ("LOG_LEVEL", "trace", "must be one of debug, info, warning, error"),
    ("SANDBOX_DATA", "real", "must be one of traffic, chitchat"),
    ("SANDBOX_MESSAGES", "999", "must be between 1000 and 50000000"),
]


def as_dict(settings: Settings) -> dict[str, Any]:
    """The settings by field; secrets stay wrapped."""
    return {field.name: getattr(settings, field.name) for field in dataclasses.fields(settings)}


@pytest.mark.parametrize("environ", [{}, {"HOME": "/root"}, {row[0]: "" for row in READ}])
def test_defaults(environ: dict[str, str]) -> None:
    """A variable that is unset or empty has exactly the documented default."""
    assert as_dict(Settings.from_env(environ)) == DEFAULTS


@pytest.mark.parametrize(("variable", "text", "field", "value"), READ)
def test_each_variable_sets_its_field(variable: str, text: str, field: str, value: Any) -> None:
    """One variable changes one field and no other."""
    assert as_dict(Settings.from_env({variable: text})) == DEFAULTS | {field: value}
    assert value != DEFAULTS[field]


@pytest.mark.parametrize(("variable", "text", "problem"), REFUSED)
def test_an_invalid_value_names_the_variable_and_what_to_do(
    variable: str, text: str, problem: str
) -> None:
    """The message names the variable and the reason; the hint says what to do."""
    with pytest.raises(SettingsError) as caught:
        Settings.from_env({variable: text})
    assert caught.value.message.startswith(f"{variable}={text!r} is invalid: ")
    assert problem in caught.value.message
    assert caught.value.hint.startswith(f"Correct {variable}, or unset it to use the default")
    assert caught.value.exit_code == 2


def test_a_key_never_appears() -> None:
    """No text of the settings contains any of JWT_SECRET, and `reveal` returns all of it."""
    settings = Settings.from_env({"JWT_SECRET": PASSWORD})
    key = settings.jwt_secret
    assert key is not None
    for shown in (str(key), repr(key), f"{key}", repr(settings)):
        assert PASSWORD not in shown
    assert key.reveal() == PASSWORD


def test_every_validated_variable_has_an_invalid_value_here() -> None:
    """The two lists above cover every variable; only free texts have no invalid value."""
    tables = "".join(settings_table(program) for program in Program)
    documented = set(re.findall(r"^\| `([A-Z_]+)` ", tables, re.MULTILINE))
    assert {row[0] for row in READ} == documented
    free = {"DATABASE_URL", "DATA_DIR", "API_DIR", "REDIS_URL", "REDIS_HOST", "SANDBOX_DIR"}
    free |= {
        "STATE_DIR",
        "EVENTS_DATABASE_URL",
        "EVENTS_REDIS_URL",
        "ENGINE_URL",
        "JWT_SECRET",
        "JWT_PUBLIC_KEY",
        "CACHE_SECRET",
    }
    free |= {"FOLD_ON", "JWT_JWKS_FILE", "JWT_AUDIENCE", "JWT_ISSUER", "SOURCE_MAPPING"}
    assert {row[0] for row in REFUSED} == documented - free


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("cache.example", "redis://cache.example:6380/2"),
        ("[::1]", "redis://[::1]:6380/2"),
        ("a@b/c?d", "redis://a%40b%2Fc%3Fd:6380/2"),
    ],
)
def test_redis_parts_spell_the_url(host: str, url: str) -> None:
    """Host, port and number make the URL, and the host cannot inject other parts."""
    environ = {"REDIS_HOST": host, "REDIS_PORT": "6380", "REDIS_DB": "2"}
    assert Settings.from_env(environ).redis_url.reveal() == url


def test_redis_url_takes_precedence() -> None:
    """If REDIS_URL is set, the three parts are ignored, even when they are invalid."""
    environ = {"REDIS_URL": "redis://u:p@h/1", "REDIS_HOST": "other", "REDIS_PORT": "not a port"}
    assert Settings.from_env(environ).redis_url == Secret("redis://u:p@h/1")


def shown(secret: Secret) -> list[str]:
    """Every way in which a secret can become part of a text."""
    settings = Settings(database_url=secret)
    return [
        str(secret),
        repr(secret),
        format(secret),
        f"{secret}",
        f"{secret!s:>200}",
        "%s %r" % (secret, secret),  # noqa: UP031
        repr([secret]),
        str(settings),
        repr(dataclasses.replace(settings)),
    ]


CONNECTION_STRINGS = [
    pytest.param("postgresql://u:{}@h:5432/d", PASSWORD, id="URL"),
    pytest.param("redis://:{}@h:6379/0", PASSWORD, id="URL without a user"),
    pytest.param("postgresql://u:{}@h1:5432,h2:5433/d?target=any", PASSWORD, id="two hosts"),
    pytest.param("postgresql://u:{}@[::1]:5432/d", PASSWORD, id="IPv6"),
    pytest.param("unix://u:{}@/run/valkey.sock?db=1", PASSWORD, id="socket"),
    pytest.param("postgresql://u:{}@h/d", quote("qx1@:/qx2", safe=""), id="percent-encoded"),
    pytest.param("postgresql://u:{}@h/d", "qx1@qx2@qx3", id="@ as it is"),
    pytest.param("postgresql://u:{}@h/d", "qx1:qx2:qx3", id=": as it is"),
    pytest.param("postgresql://u:{}@h/d", "qx1/qx2", id="/ as it is"),
    pytest.param("postgresql://u:{}@h/d", "qx1?qx2", id="? as it is"),
    pytest.param("postgresql://u:{}@h/d", "qx1#qx2", id="# as it is"),
    pytest.param("postgresql://h/d?user=u&password={}&sslmode=require", PASSWORD, id="query"),
    pytest.param("postgresql://h/d?password={}", "qx1@:/qx2", id="query, not encoded"),
    pytest.param("postgresql://h/d?sslpassword={}", PASSWORD, id="TLS key"),
    pytest.param("host=h password={} user=u", PASSWORD, id="key=value"),
    pytest.param("host=h PassWord = {} user=u", PASSWORD, id="key = value"),
    pytest.param("host=h password={}", "qx1&qx2", id="key=value with &"),
    pytest.param("host=h password={} user=u", r"qx1\ qx2", id="escaped blank"),
    pytest.param("host=h password='{}' user=u", "qx1 qx2", id="quotes"),
    pytest.param("host=h password='{}' user=u", r"qx1\'qx2", id="quotes in quotes"),
    pytest.param("host=h password='{} user=u", "qx1 qx2", id="open"),
    pytest.param("host=h sslpassword={}", PASSWORD, id="key=value TLS"),
]


@pytest.mark.parametrize(("template", "password"), CONNECTION_STRINGS)
def test_a_secret_hides_its_password(template: str, password: str) -> None:
    """No text form of the secret, or of settings with it, contains any part of the password."""
    parts = re.findall(r"qx\d|" + PASSWORD, password)
    found = shown(Secret(template.format(password)))
    assert parts
    assert [text for text in found if any(part in text for part in parts)] == []
    assert all("***" in text for text in found)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("postgresql://u:secret@h1:1,h2:2/d?x=y", "postgresql://u:***@h1:1,h2:2/d?x=y"),
        ("postgresql://h/d?password=secret&x=y", "postgresql://h/d?password=***&x=y"),
        ("host=h password='a secret' dbname=d", "host=h password=*** dbname=d"),
        ("redis://:secret@h:6379/0", "redis://:***@h:6379/0"),
        ("postgresql://u:@h/d", "postgresql://u:***@h/d"),
    ],
)
def test_a_secret_shows_everything_but_the_password(given: str, expected: str) -> None:
    """The text has everything but the password, and the driver gets the whole string."""
    assert str(Secret(given)) == expected
    assert repr(Secret(given)) == f"Secret({expected!r})"
    assert Secret(given).reveal() == given


@pytest.mark.parametrize(
    "text",
    [
        "postgresql://u@h/d",
        "postgresql://h:5432/d?sslmode=require",
        "host=h dbname=d passfile=/etc/pgpass",
        "redis://localhost:6379/0",
        "unix:///run/valkey.sock",
    ],
)
def test_a_string_without_a_password_is_shown_whole(text: str) -> None:
    """Without a password nothing is hidden, so errors name the server."""
    assert str(Secret(text)) == text
    assert Secret(text).redact(f"cannot connect to {text}") == f"cannot connect to {text}"


@given(st.text(st.characters(min_codepoint=33, max_codepoint=0x17F), min_size=4))
def test_any_encoded_password_is_hidden(password: str) -> None:
    """A percent-encoded password never appears, whatever characters it has."""
    encoded = quote(password, safe="")
    assert str(Secret(f"postgresql://u:{encoded}@h/d")) == "postgresql://u:***@h/d"


@pytest.mark.parametrize("text", ["postgresql://u:@h/d", "redis://:@h/0", "postgresql://u@h/d"])
def test_an_empty_password_changes_no_other_text(text: str) -> None:
    """Redacting an empty password leaves a driver's message as it is."""
    assert Secret(text).redact("connection to h failed") == "connection to h failed"


def test_an_empty_quoted_password_changes_no_other_text() -> None:
    """Redacting `password=''` leaves a driver's message as it is."""
    message = "connection to h failed"
    assert Secret("host=h password=''").redact(message) == message


@pytest.mark.parametrize(
    ("given", "message", "expected"),
    [
        pytest.param(
            "postgresql://u:s3cr-et@h/d",
            'could not parse "postgresql://u:s3cr-et@h/d": bad',
            'could not parse "postgresql://u:***@h/d": bad',
            id="the whole string",
        ),
        pytest.param(
            "host=h password='a b'",
            "cannot use host=h password='a b' here",
            "cannot use host=h password=*** here",
            id="the whole string, quotes included",
        ),
        pytest.param(
            "postgresql://u:s3/cr@h/d",
            'database "cr@h/d" does not exist',
            'database "***@h/d" does not exist',
            id="taken for the database",
        ),
        pytest.param(
            "postgresql://u:ab@cd@h/d",
            'could not translate host name "cd@h" to address',
            'could not translate host name "***@h" to address',
            id="taken for the host",
        ),
        pytest.param(
            "host=h password='pass word'",
            'missing "=" after "pass word" in connection info string',
            'missing "=" after "***" in connection info string',
            id="without its quotes",
        ),
        pytest.param(
            "postgresql://h/d?password=s3cr-et-2&x=y",
            'invalid URI query parameter: "x", password s3cr-et-2',
            'invalid URI query parameter: "x", password ***',
            id="no word of a message",
        ),
        pytest.param(
            "postgresql://u:p%40ss@h/d",
            "with postgresql://u:p@ss@h and password=p@ss",
            "with postgresql://u:***@h and password=***",
            id="decoded",
        ),
        pytest.param(
            r"host=h password='it\'s me, 2'",
            "password it's me, 2 is wrong",
            "password *** is wrong",
            id="unescaped",
        ),
        pytest.param(
            "postgresql://u:s3@h:54e2/d",
            'invalid integer value "54e2" for connection option "port"',
            'invalid integer value "54e2" for connection option "port"',
            id="another part",
        ),
        pytest.param(
            "postgresql://u:s3@h/d?sslmode=al1ow",
            'invalid sslmode value: "al1ow"',
            'invalid sslmode value: "al1ow"',
            id="a setting",
        ),
    ],
)
def test_drivers_messages_are_redacted(given: str, message: str, expected: str) -> None:
    """The string and the password alone are removed from a message, and nothing else is."""
    assert Secret(given).redact(message) == expected


# What a server says; a password may be any of the words.
SERVER_MESSAGES = [
    'relation "users" does not exist',
    "permission denied for table messages",
    'password authentication failed for user "x"',
    'connection to server at "localhost" (127.0.0.1), port 5432 failed: FATAL: role "a" is no role',
    'Failed to execute query "begin isolation level repeatable read": ERROR: canceled on timeout',
    'no pg_hba.conf entry for host "10.0.0.1", user "max@corp", database "users", no encryption',
]
WORDS = sorted({word for text in SERVER_MESSAGES for word in re.findall(r"[A-Za-z_]+", text)})


@given(st.sampled_from(SERVER_MESSAGES), st.sampled_from([*WORDS, *"aex1", "10.0", "5432", "127"]))
def test_the_words_of_a_server_stay_readable(message: str, password: str) -> None:
    """A password that is also a word, or a part of words, changes no message of a server."""
    for url in (f"postgresql://u:{password}@h/d", f"host=h password={password} dbname=d"):
        assert Secret(url).redact(message) == message


# What people forget to encode or to quote. No part is the name of an option.
LONG_PASSWORDS = st.lists(
    st.sampled_from(["k0", "q5", "z7", "w3", "v9"]) | st.sampled_from("/?#@:%&=[]'\"\\ +"),
    min_size=8,
    max_size=16,
).map("".join)
BROKEN = [
    "postgresql://u:{}@127.0.0.1:1/d?hostaddr=127.0.0.1",
    "postgresql://u:{}@127.0.0.1:port/d?hostaddr=127.0.0.1",
    "postgresql://u:{}@[::1/d?hostaddr=127.0.0.1",
    "postgresql://u:{}@127.0.0.1:1/d?hostaddr=127.0.0.1&nonsense=1",
    "postgresql://127.0.0.1:1/d?user=u&password={}&hostaddr=127.0.0.1",
    "hostaddr=127.0.0.1 port=1 password={} user=u",
    "hostaddr=127.0.0.1 port=1 user=u password={}",
    "hostaddr=127.0.0.1 port=1 password='{} user=u",
    "hostaddr=127.0.0.1 port=1 password='{}' nonsense=1",
]


@given(st.sampled_from(BROKEN), LONG_PASSWORDS)
def test_nothing_of_a_long_password_is_left_in_what_libpq_says(
    template: str, password: str
) -> None:
    """Whether libpq parses it or not, no five characters of the password are in its message."""
    secret = Secret(template.format(password))
    connection = pq.PGconn.connect(secret.reveal().encode())
    said = connection.error_message.decode()
    connection.finish()
    redacted = secret.redact(said)
    encoded = {password, unquote(password)}
    parts = {text[at : at + 5] for text in encoded for at in range(len(text) - 4)}
    assert said
    assert [part for part in parts if part in redacted and part not in template] == []


@pytest.mark.parametrize("log_format", ["console", "json"])
def test_a_log_line_hides_the_password(log_format: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """A logged secret, alone or within settings, shows no password in either format."""
    secret = Secret(f"postgresql://u:{PASSWORD}@h/d")
    log.configure(log_format)
    log.get_logger("test").info("started", url=secret, all=Settings(database_url=secret))
    line = capsys.readouterr().err
    assert "postgresql://u:***@h/d" in line
    assert PASSWORD not in line


def reads_of_environment(source: str) -> list[int]:
    """The lines that read the environment; passing all of it to a child process does not count."""
    tree = ast.parse(source)
    handed_on = {
        id(value)
        for call in ast.walk(tree)
        if isinstance(call, ast.Call)
        for keyword in call.keywords
        if keyword.arg == "env" and isinstance(keyword.value, ast.Dict)
        for key, value in zip(keyword.value.keys, keyword.value.values, strict=True)
        if key is None
    }
    names = {"environ", "environb", "getenv", "getenvb"}
    return [
        node.lineno
        for node in ast.walk(tree)
        if (isinstance(node, ast.Attribute) and node.attr in names and id(node) not in handed_on)
        or (isinstance(node, ast.ImportFrom) and names & {alias.name for alias in node.names})
    ]


def test_the_environment_is_read_in_one_place() -> None:
    """Only `olap/settings.py` reads the environment; the command line and each worker of the API
    hand it over."""
    allowed = {"olap/settings.py", "olap/commands.py", "api/__main__.py"}
    modules = [path for part in ("olap", "etl", "api") for path in (ROOT / part).rglob("*.py")]
    readers = {
        str(path.relative_to(ROOT)) for path in modules if reads_of_environment(path.read_text())
    }
    assert readers <= allowed
    assert "olap/commands.py" in readers


@pytest.mark.parametrize(
    "source",
    [
        "import os\nx = os.environ['A']",
        "import os\nx = os.getenv('A')",
        "from os import environ",
        "import os\nf(env={'A': os.environ['B']})",
        "import os\nf(env=g(os.environ))",
    ],
)
def test_reading_the_environment_is_detected(source: str) -> None:
    """The scan above finds every way to read a variable."""
    assert reads_of_environment(source)


@pytest.mark.parametrize(
    ("program", "readme", "block"),
    [
        (Program.PIPELINE, "etl/README.md", "settings"),
        (Program.SANDBOX, "etl/README.md", "sandbox settings"),
        (Program.API, "api/README.md", "settings"),
    ],
)
def test_the_readmes_have_the_tables_of_settings(program: Program, readme: str, block: str) -> None:
    """Each table of settings in a README is the one that `settings_table` generates."""
    text = (ROOT / readme).read_text(encoding="utf-8")
    found = re.findall(rf"<!-- {block} -->\n(.*?)<!-- /{block} -->", text, re.DOTALL)
    assert [table.strip() for table in found] == [settings_table(program).strip()]
