"""A TypeScript client that @hey-api/openapi-ts generates calls every operation."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

from tests.api import small_messenger as messenger
from tests.api.servers import Server
from tests.clients.installed import node_with, run

PACKAGES = ("@hey-api/openapi-ts@0.99.0", "typescript@5.9.3", "@types/node@20.19.0")
HERE = Path(__file__).parent


def test_a_generated_client_calls_every_operation(
    small_server: Server, document: Any, operations: set[str], admin: str
) -> None:
    """The generated client and typed calls compile without an error, and each operation returns the
    status and the fields that its types say."""
    directory = node_with(*PACKAGES)
    (directory / "openapi.json").write_text(json.dumps(document))
    shutil.copy(HERE / "calls.ts", directory)
    shutil.rmtree(directory / "generated", ignore_errors=True)
    tools = directory / "node_modules" / ".bin"
    run(tools / "openapi-ts", "-i", "openapi.json", "-o", "generated", directory=directory)
    run(
        tools / "tsc", "calls.ts", "--strict", "--noUncheckedIndexedAccess", "--skipLibCheck",
        "--target", "es2022", "--module", "commonjs", "--moduleResolution", "node10",
        "--outDir", "compiled", directory=directory,
    )  # fmt: skip
    printed = run(
        "node", "compiled/calls.js", small_server.url, admin, str(messenger.ALICE),
        str(messenger.TEAM), directory=directory,
    )  # fmt: skip
    found = json.loads(printed.splitlines()[-1])
    statuses = {_snake(name): status for name, status in found["statuses"].items()}
    assert set(statuses) == operations
    assert {name for name, status in statuses.items() if status == 404} == {
        "unread", "read_through"
    }  # fmt: skip
    assert set(statuses.values()) == {200, 201, 202, 204, 404}
    assert (found["total"], found["earlier"], found["accepted"]) == (5, 4, 2)
    assert found["kept"] == "This week"
    assert found["second"] == 400 and found["statement"].startswith("from metrics.")
    assert found["detail"].endswith(".") and found["sender"] == str(messenger.DORA)


def _snake(name: str) -> str:
    return re.sub(r"[A-Z]", lambda found: f"_{found[0].lower()}", name)
