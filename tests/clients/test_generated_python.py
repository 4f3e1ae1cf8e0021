"""A Python client that openapi-python-client generates calls every operation."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from tests.api import small_messenger as messenger
from tests.api.servers import Server
from tests.clients.installed import python_with, run

GENERATOR = "openapi-python-client==0.29.1"
HERE = Path(__file__).parent


def test_a_generated_client_calls_every_operation(
    small_server: Server, document: Any, operations: set[str], admin: str, tmp_path: Path
) -> None:
    """The generator skips nothing, and each operation returns the model of its status: that of its
    answer, or a problem document for what this messenger does not keep."""
    python = python_with(GENERATOR)
    (tmp_path / "openapi.json").write_text(json.dumps(document))
    (tmp_path / "config.json").write_text('{"post_hooks": []}')
    said = run(
        python.with_name("openapi-python-client"),
        "generate",
        "--meta=none",
        "--path=openapi.json",
        "--config=config.json",
        "--output-path=messenger_analytics_client",
        "--fail-on-warning",
        directory=tmp_path,
    )
    assert "Warning" not in said and "Unable" not in said
    shutil.copy(HERE / "python_calls.py", tmp_path)
    printed = run(
        python, "python_calls.py", small_server.url, admin, str(messenger.ALICE),
        str(messenger.TEAM), directory=tmp_path,
    )  # fmt: skip
    answers = json.loads(printed.splitlines()[-1])
    assert set(answers) == operations
    not_kept = {"unread", "read_through"}
    statuses = {name: status for name, (status, _, _) in answers.items()}
    assert {name for name, status in statuses.items() if status == 404} == not_kept
    assert {status for name, status in statuses.items() if name not in not_kept} == {
        200,
        201,
        202,
        204,
    }
    models = {name: model for name, (_, model, _) in answers.items()}
    assert models["dashboard"] == "Dashboard" and models["unread"] == "ProblemDocument"
    contents = {name: content for name, (_, _, content) in answers.items()}
    assert contents["messages"]["total_messages"] == 5
    assert contents["messages"]["compared"]["total_messages"] == 4
    assert contents["user"]["user_id"] == messenger.ALICE
    assert contents["conversation"]["conversation_id"] == str(messenger.TEAM)
    (sender,) = contents["top_senders"]["top_senders"]
    assert sender["user_id"] == str(messenger.DORA)
    assert [one["status"] for one in contents["batch"]["answers"]] == [200, 400]
    assert contents["batch"]["answers"][0]["body"]["total_messages"] == 41
    assert contents["generation"]["generation"] == contents["catalog"]["generation"] == 1
    assert contents["post_events"]["accepted"] == 2
    assert contents["kept_thing"] == contents["put_thing"] == contents["kept_things"]["things"][0]
    assert contents["kept_thing"]["state"] == {"days": "7"}
