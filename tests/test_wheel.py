"""The wheel: it has the four packages and nothing else, and works without the checkout."""

from __future__ import annotations

import re
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import duckdb
import httpx
import pytest

from olap.commands import PROGRAM
from tests.api.servers import free_port
from tests.test_commands import environment
from tests.tokens import SECRET
from tests.world import World

ROOT = Path(__file__).parents[1]
PREFIX = "/api/v1/messenger/analytics"

pytestmark = pytest.mark.slow


@dataclass(frozen=True, slots=True)
class Installed:
    """An environment with the wheel, and a directory to work in that is not the checkout."""

    bin: Path
    home: Path

    def environment(self, variables: Mapping[str, str]) -> dict[str, str]:
        """The variables of a command in it; no PYTHONPATH leads to the checkout."""
        own = {"HOME": str(self.home), "DATA_DIR": str(self.home / "data"), "LOG_FORMAT": "json"}
        kept = environment(**own, **variables)
        return {name: value for name, value in kept.items() if name != "PYTHONPATH"}

    def run(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run the command."""
        return subprocess.run(
            [self.bin / PROGRAM, *arguments],
            cwd=self.home, env=self.environment(variables), capture_output=True, text=True,
        )  # fmt: skip


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout."""
    directory = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", directory],
        cwd=ROOT, check=True, capture_output=True,
    )  # fmt: skip
    (built,) = directory.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """The wheel in a new environment, which has the other packages of this one.

    They are found through a path file. Path files in that directory are not read, so the checkout,
    which is installed there by one, is not found.
    """
    directory = tmp_path_factory.mktemp("installed")
    venv, home = directory / "venv", directory / "home"
    home.mkdir()
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv], check=True)
    subprocess.run(
        [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--offline", "--no-deps",
         "--python", venv / "bin" / "python", wheel],
        check=True,
    )  # fmt: skip
    (packages,) = venv.glob("lib/python*/site-packages")
    (packages / "dependencies.pth").write_text(f"{sysconfig.get_path('purelib')}\n")
    return Installed(venv / "bin", home)


def test_the_wheel_has_the_packages_and_nothing_else(wheel: Path) -> None:
    """It has every file of olap, etl, api and sql that git has, and no other."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard",
         "olap", "etl", "api", "sql"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout.splitlines()  # fmt: skip
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    metadata = {name for name in names if ".dist-info/" in name}
    assert names - metadata == {name for name in listed if (ROOT / name).exists()}
    assert {Path(name).name for name in metadata} == {
        "METADATA", "RECORD", "WHEEL", "entry_points.txt",
    }  # fmt: skip


def test_the_checkout_is_not_found(installed: Installed) -> None:
    """Code and SQL come from the wheel."""
    code = "import api, etl, olap.sqlfiles as s; print(api.__file__, etl.__file__, s.SQL_DIR)"
    found = subprocess.run(
        [installed.bin / "python", "-c", code],
        cwd=installed.home, env=installed.environment({}), capture_output=True, text=True,
    ).stdout.split()  # fmt: skip
    assert len(found) == 3
    assert all(Path(path).is_relative_to(installed.bin.parent) for path in found)


def test_it_works_from_the_first_cycle_to_an_answer(installed: Installed, database: str) -> None:
    """Help, status, a cycle on PostgreSQL, the shell, a token, and one answer of the API."""
    assert "backfill" in installed.run("--help").stdout
    assert installed.run("status").returncode == 2
    with World(database) as world:
        world.user(1)
        world.message(1)
    ran = installed.run("etl", DATABASE_URL=database)
    assert ran.returncode == 0, ran.stderr
    assert "1 messages on 1 days" in ran.stdout
    assert f"`{PROGRAM} shell` opens it" in ran.stdout
    assert not re.search(r"`make |python -m", ran.stdout + ran.stderr)
    with duckdb.connect(str(installed.home / "data/analytics.duckdb"), read_only=True) as file:
        assert file.execute("select count(*) from messages").fetchone() == (1,)
    key = {"JWT_SECRET": SECRET}
    token = installed.run("token", "--sub", "boss", "--role", "admin", **key).stdout.strip()
    port = free_port()
    redis = {"REDIS_URL": "redis://127.0.0.1:1/0", "SCOPE_MAX_AGE_SECONDS": "31536000"}
    process = subprocess.Popen(
        [installed.bin / PROGRAM, "api", "--port", str(port)],
        cwd=installed.home, env=installed.environment(key | redis), stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        url = f"http://127.0.0.1:{port}"
        transport = httpx.HTTPTransport(retries=0)
        with httpx.Client(transport=transport, timeout=600) as client:
            ready = False
            while not ready:
                assert process.poll() is None
                try:
                    ready = client.get(f"{url}/health/ready").status_code == 200
                except httpx.TransportError:
                    continue
            bearer = {"Authorization": f"Bearer {token}"}
            answer = client.get(f"{url}{PREFIX}/messages?days=365", headers=bearer)
            templates = client.get(f"{url}{PREFIX}/kept/templates", headers=bearer).json()["things"]
            page = client.get(f"{url}/")
            loaded = re.findall(r'(?:href|src)="(page/[^"]+)"', page.text)
            statuses = [client.get(f"{url}/{path}").status_code for path in loaded]
        assert (answer.status_code, answer.json()["generation"]) == (200, 1)
        assert templates[0]["id"] == "overview"
        assert page.status_code == 200 and statuses == [200] * 3
    finally:
        process.terminate()
        assert process.wait(60) == 0


def test_the_sandbox_needs_its_extra(installed: Installed, tmp_path: Path) -> None:
    """Without the packages of the extra, `demo` and a cycle on the sandbox name it."""
    hidden = tmp_path / "hidden"
    hidden.mkdir()
    # As if numpy were not installed.
    (hidden / "sitecustomize.py").write_text("import sys\nsys.modules['numpy'] = None\n")
    for command in ("etl", "demo"):
        finished = subprocess.run(
            [installed.bin / PROGRAM, command],
            cwd=installed.home,
            env=installed.environment({}) | {"PYTHONPATH": str(hidden)},
            capture_output=True,
            text=True,
        )
        assert finished.returncode == 1
        assert "needs the package numpy" in finished.stderr
        assert "with the extra `sandbox`" in finished.stderr
        assert "Traceback" not in finished.stderr
