"""`/kept`: who sees, makes, changes and removes a view or a dashboard, and what one may contain."""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import msgspec
import pytest
import structlog
from litestar.testing import TestClient

from api.app import create_app
from api.auth import Principal, Role
from api.kept.cards import CARDS
from api.kept.store import THINGS_MAX, Store
from api.kept.templates import templates
from api.kept.things import BODY_BYTES_MAX, CARDS_MAX, Body, Card, Kind, NewThing, body_of
from api.parameters import Every, Ranking
from api.problems import Problem
from olap.errors import BusyError
from olap.kept import FILE, run, writing
from tests.api.fix_api import Api, Caller, api_settings
from tests.api.small_messenger import ALICE, BOB
from tests.fix_pipeline import Pipeline

ROOT = Path(__file__).parents[2]
NEW = {"If-None-Match": "*"}
VIEW: dict[str, Any] = {
    "kind": "view",
    "name": "Our month",
    "state": {"days": "30", "tz": "Europe/Berlin"},
}
DASHBOARD: dict[str, Any] = {
    "kind": "dashboard",
    "name": "Mornings",
    "state": {"days": "", "start": "2026-11-01", "end": "2026-11-08", "compare": ""},
    "cards": [
        {"card": "messages", "width": 1},
        {"card": "messages_over_time", "width": 3, "parameters": {"interval": "hourly"}},
        {"card": "messages_over_time", "width": 2, "parameters": {"interval": "weekly"}},
    ],
}


def version(number: int) -> dict[str, str]:
    """The header for a change of this version."""
    return {"If-Match": f'"{number}"'}


def kept(caller: Caller, body: Any = VIEW, **changes: Any) -> str:
    """Keep a new thing; its path."""
    path = f"/kept/{uuid4()}"
    answer = caller.put(path, body | changes, NEW)
    assert answer.status_code == 201, answer.text
    return path


def names(caller: Caller) -> list[str]:
    """The names of what they see, in order."""
    return [thing["name"] for thing in caller.get("/kept").json()["things"]]


def refusal(answer: httpx.Response) -> tuple[int, str | None]:
    """The status of a problem, and the part that is its cause."""
    return answer.status_code, answer.json().get("parameter")


@pytest.fixture(scope="module")
def running(small_site: Pipeline, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """The application; each test of it has a STATE_DIR of its own in the same place."""
    state = tmp_path_factory.mktemp("kept") / "state"
    settings = api_settings(small_site, state_dir=state)
    with TestClient(create_app(settings)) as client:
        yield Api(client, settings)


@pytest.fixture
def state(running: Api) -> Path:
    """The STATE_DIR, with nothing in it."""
    directory = running.settings.state_dir
    assert directory is not None
    shutil.rmtree(directory, ignore_errors=True)
    return directory


@pytest.fixture
def api(running: Api, state: Path) -> Api:
    """The application, with nothing kept yet."""
    return running


def test_a_thing_from_its_beginning_to_its_end(api: Api) -> None:
    """A view is kept, read, changed and removed; each version has its number as ETag, and nothing
    may be stored by others on the way."""
    boss, path = api.admin(), f"/kept/{uuid4()}"
    begun = datetime.now(UTC)
    made = boss.put(path, VIEW, NEW)
    thing = made.json()
    assert (made.status_code, made.headers["etag"]) == (201, '"1"')
    assert made.headers["cache-control"] == "no-store"
    assert begun <= datetime.fromisoformat(thing.pop("changed_at")) <= datetime.now(UTC)
    expected = VIEW | {"id": path[6:], "is_shared": False, "is_own": True, "version": 1}
    assert thing == expected
    changed = boss.put(path, VIEW | {"name": "Our weeks"}, version(1))
    assert (changed.status_code, changed.headers["etag"]) == (200, '"2"')
    found = boss.get(path)
    assert (found.status_code, found.json(), found.headers["etag"]) == (200, changed.json(), '"2"')
    assert boss.get("/kept").json()["things"] == [changed.json()]
    removed = boss.delete(path, version(2))
    assert (removed.status_code, removed.content) == (204, b"")
    assert boss.get(path).status_code == 404
    assert boss.get("/kept").json() == {"things": []}


def test_a_dashboard_has_its_cards_in_order(api: Api) -> None:
    """Cards stay in their order, with their widths and parameters; an empty text is a choice."""
    boss = api.admin()
    found = boss.get(kept(boss, DASHBOARD)).json()
    assert found["cards"] == [{"parameters": {}} | card for card in DASHBOARD["cards"]]
    assert found["state"] == DASHBOARD["state"]


def test_what_one_keeps_is_there_after_a_restart(
    small_site: Pipeline, new_api: Callable[..., Api], tmp_path: Path
) -> None:
    """Another worker, and one that is started later, have the same things."""
    first = new_api(small_site, state_dir=tmp_path)
    second = new_api(small_site, state_dir=tmp_path)
    kept(first.admin())
    assert names(second.admin()) == names(new_api(small_site, state_dir=tmp_path).admin())
    assert names(second.admin()) == ["Our month"]


def test_without_a_setting_it_is_in_the_data_dir(
    pipeline: Pipeline, new_api: Callable[..., Api]
) -> None:
    """The default of STATE_DIR is DATA_DIR/state, which needs no generation."""
    kept(new_api(pipeline).admin())
    assert (pipeline.layout.root / "state" / FILE).exists()


def test_nobody_overwrites_what_they_have_not_seen(api: Api) -> None:
    """A change must say what it replaces: nothing, or the version that is there."""
    boss = api.admin()
    path = kept(boss)
    assert refusal(boss.put(path, VIEW)) == (428, None)
    assert refusal(boss.delete(path)) == (428, None)
    assert refusal(boss.put(path, VIEW, NEW)) == (412, None)
    assert refusal(boss.put(path, VIEW, version(2))) == (412, None)
    assert refusal(boss.delete(path, version(2))) == (412, None)
    assert refusal(boss.put(path, VIEW, NEW | version(1))) == (400, "If-Match")
    for wrong in ("1", '"x"', "*", 'W/"1"', '"1", "2"', ""):
        assert refusal(boss.put(path, VIEW, {"If-Match": wrong})) == (400, "If-Match")
    assert refusal(boss.put(path, VIEW, {"If-None-Match": '"1"'})) == (400, "If-None-Match")
    assert boss.get(path).json()["version"] == 1
    assert refusal(boss.put(f"/kept/{uuid4()}", VIEW, version(1))) == (404, None)


def test_things_of_others_do_not_exist(api: Api) -> None:
    """Another subject, and the same subject in another role, see neither a thing nor that there is
    one: the answers have the bytes of those for an unknown id."""
    path, unknown = kept(api.member(ALICE)), f"/kept/{uuid4()}"
    for caller in (api.member(BOB), api.admin(ALICE), api.admin()):
        assert names(caller) == []
        for there, missing in (
            (caller.get(path), caller.get(unknown)),
            (caller.put(path, VIEW, version(1)), caller.put(unknown, VIEW, version(1))),
            (caller.delete(path, version(1)), caller.delete(unknown, version(1))),
        ):
            assert there.status_code == missing.status_code == 404
            assert there.content == missing.content
        assert caller.put(path, VIEW, NEW).status_code == 412
    assert names(api.member(ALICE)) == ["Our month"]


def test_what_an_administrator_shares_is_read_by_all(api: Api) -> None:
    """Everybody reads it, nobody learns whose it is, and one's own things come first."""
    path = kept(api.admin(), DASHBOARD, is_shared=True)
    alice, other = api.member(ALICE), api.admin("other")
    kept(alice, VIEW)
    assert names(alice) == ["Our month", "Mornings"]
    for caller in (alice, other):
        found = caller.get(path)
        assert (found.json()["is_own"], found.json()["is_shared"]) == (False, True)
        assert b"boss" not in found.content + caller.get("/kept").content
    assert api.admin().get(path).json()["is_own"] is True


def test_members_neither_share_nor_change_what_is_shared(api: Api) -> None:
    """403 for both, and nothing has changed."""
    path, alice = kept(api.admin(), is_shared=True), api.member(ALICE)
    assert refusal(alice.put(f"/kept/{uuid4()}", VIEW | {"is_shared": True}, NEW)) == (403, None)
    own = kept(alice)
    assert refusal(alice.put(own, VIEW | {"is_shared": True}, version(1))) == (403, None)
    for body in (VIEW, VIEW | {"is_shared": True}):
        assert refusal(alice.put(path, body, version(1))) == (403, None)
    assert refusal(alice.delete(path, version(1))) == (403, None)
    assert api.admin().get(path).json()["version"] == 1
    assert names(api.member(BOB)) == ["Our month"]


def test_every_administrator_changes_what_is_shared(api: Api) -> None:
    """Others change and remove a shared thing, which stays its owner's; only its owner takes it
    back."""
    boss, other = api.admin(), api.admin("other")
    path = kept(boss, is_shared=True)
    changed = other.put(path, VIEW | {"name": "Better", "is_shared": True}, version(1))
    assert (changed.status_code, changed.json()["is_own"]) == (200, False)
    assert refusal(other.put(path, VIEW, version(2))) == (403, None)
    assert boss.put(path, VIEW, version(2)).json()["is_shared"] is False
    assert other.get(path).status_code == 404
    assert boss.put(path, VIEW | {"is_shared": True}, version(3)).json()["is_own"] is True
    assert other.delete(path, version(4)).status_code == 204


def test_a_service_keeps_nothing(api: Api) -> None:
    """The role `service` gets 403."""
    service, path = Caller(api.client, api.token(Role.SERVICE, "bot")), f"/kept/{uuid4()}"
    answers = [service.get(each) for each in ("/kept", "/kept/templates", path)]
    answers += [service.put(path, VIEW, NEW), service.delete(path, version(1))]
    assert {answer.status_code for answer in answers} == {403}


def with_state(**state: Any) -> dict[str, Any]:
    """A view with this state."""
    return VIEW | {"state": state}


def with_card(**card: Any) -> dict[str, Any]:
    """A dashboard whose second card is this one."""
    return DASHBOARD | {"cards": [{"card": "engagement", "width": 1}, card]}


REFUSED = [
    (b"", "body"),
    (b"{", "body"),
    (b'"\\ud800"', "body"),
    (b"[" * 4000, "body"),
    ([VIEW], "body"),
    ({}, "body"),
    (VIEW | {"owner": "alice"}, "body"),
    (VIEW | {"id": str(uuid4())}, "body"),
    (VIEW | {"kind": "report"}, "kind"),
    (VIEW | {"name": ""}, "name"),
    (VIEW | {"name": "x" * 101}, "name"),
    (VIEW | {"name": " \u202e\n "}, "name"),
    (VIEW | {"name": 7}, "name"),
    (VIEW | {"is_shared": "true"}, "is_shared"),
    (VIEW | {"cards": DASHBOARD["cards"]}, "cards"),
    ({name: DASHBOARD[name] for name in ("kind", "name")}, "cards"),
    (DASHBOARD | {"cards": []}, "cards"),
    (DASHBOARD | {"cards": DASHBOARD["cards"] * 11}, "cards"),
    (with_state(days="0"), "state.days"),
    (with_state(days="366"), "state.days"),
    (with_state(days="null"), "state.days"),
    (with_state(days=7), "state[...]"),
    (with_state(tz="Mars/Olympus"), "state.tz"),
    (with_state(interval="yearly"), "state.interval"),
    (with_state(compare="tomorrow"), "state.compare"),
    (with_state(include_bots="yes"), "state.include_bots"),
    (with_state(sort_by="name"), "state.sort_by"),
    (with_state(start="yesterday"), "state.start"),
    (with_state(start="2026-11-03", end="2026-11-01"), "state.start"),
    (with_state(start="2026-11-03", days="7"), "state.days"),
    (with_state(user_id="1"), "state.user_id"),
    (with_state(conversation_id="1"), "state.conversation_id"),
    (with_state(theme="dark"), "state.theme"),
    (with_card(card="drop table", width=1), "cards[1].card"),
    (with_card(card="messages", width=0), "cards[1].width"),
    (with_card(card="messages", width=4), "cards[1].width"),
    (with_card(card="messages", width=1, html="<b>"), "cards[1]"),
    (with_card(card="messages", width=1, parameters={"tz": "UTC"}), "cards[1].parameters.tz"),
    (
        with_card(card="events", width=1, parameters={"interval": "x"}),
        "cards[1].parameters.interval",
    ),
    (with_card(card="engagement", width=3), "cards[1]"),
]


@pytest.mark.parametrize(("body", "where"), REFUSED)
def test_what_a_thing_may_not_contain(api: Api, body: Any, where: str) -> None:
    """Fields, cards and parameters that are unknown, and values that the API would refuse, are 400,
    which names the part; nothing is kept."""
    boss = api.admin()
    assert refusal(boss.put(f"/kept/{uuid4()}", body, NEW)) == (400, where)
    assert names(boss) == []


def test_values_are_spelled_as_the_api_spells_them(api: Api) -> None:
    """A boolean of another spelling is the same question, and is kept in one form; names lose what
    cannot be seen."""
    boss = api.admin()
    thing = boss.get(kept(boss, with_state(include_bots="1"), name=" a\u202eb\x00 ")).json()
    assert (thing["state"], thing["name"]) == ({"include_bots": "true"}, "ab")


def test_every_card_can_be_kept_with_every_value(api: Api) -> None:
    """Each card of the list, with each value of its parameters."""
    values: dict[str, list[str]] = {
        "interval": list(Every),
        "sort_by": list(Ranking),
        "include_direct": ["true", ""],
    }
    cards = [{"card": name, "width": 1} for name in CARDS]
    cards += [
        {"card": name, "width": 2, "parameters": {parameter: value}}
        for name, own in CARDS.items()
        for parameter in own
        for value in values[parameter]
    ]
    boss = api.admin()
    for first in range(0, len(cards), CARDS_MAX):
        kept(boss, DASHBOARD, cards=cards[first : first + CARDS_MAX])


def test_a_kind_stays(api: Api) -> None:
    """A view does not become a dashboard."""
    boss = api.admin()
    assert refusal(boss.put(kept(boss), DASHBOARD, version(1))) == (400, "kind")


def test_a_body_is_not_longer_than_it_may_be(api: Api) -> None:
    """16 KB are accepted, and a byte more is 413."""
    boss, body = api.admin(), msgspec.json.encode(VIEW)
    full = body + b" " * (BODY_BYTES_MAX - len(body))
    assert boss.put(f"/kept/{uuid4()}", full, NEW).status_code == 201
    assert refusal(boss.put(f"/kept/{uuid4()}", full + b" ", NEW)) == (413, None)


def principal(subject: str = "boss") -> Principal:
    """An administrator."""
    return Principal(subject, Role.ADMIN)


def view(name: str) -> NewThing:
    """A view of this name."""
    return NewThing(kind=Kind.VIEW, name=name)


def test_a_hundred_things_and_no_more(api: Api, state: Path) -> None:
    """However many are kept at once, a subject has 100 at the most; those of others and in another
    role do not count, and one that is removed makes room."""
    results: Counter[int] = Counter()

    def keep_some() -> None:
        store = Store(state)
        for _ in range(30):
            try:
                patiently(lambda: store.create(principal(), uuid4(), view("x"), datetime.now(UTC)))
                results[201] += 1
            except Problem as problem:
                results[problem.status_code] += 1

    together(keep_some, 4)
    assert results == {201: THINGS_MAX, 409: 20}
    boss = api.admin()
    refused = boss.put(f"/kept/{uuid4()}", VIEW, NEW)
    assert refusal(refused) == (409, None) and "delete one first" in refused.json()["detail"]
    for other in (api.admin("other"), api.member(ALICE)):
        kept(other)
    one = boss.get("/kept").json()["things"][0]
    assert boss.delete(f"/kept/{one['id']}", version(1)).status_code == 204
    kept(boss)


def together(work: Callable[[], None], threads: int) -> None:
    """Do the work in several threads, and wait for all."""
    started = [threading.Thread(target=work) for _ in range(threads)]
    for one in started:
        one.start()
    for one in started:
        one.join()


def patiently(call: Callable[[], Any]) -> Any:
    """What a call returns when the lock is free at last."""
    while True:
        try:
            return call()
        except BusyError:
            continue


def test_one_id_is_made_once(tmp_path: Path) -> None:
    """Of several who make a thing of one id, one succeeds."""
    results: Counter[int] = Counter()
    id_ = uuid4()

    def make() -> None:
        store = Store(tmp_path)
        try:
            patiently(lambda: store.create(principal(), id_, view("x"), datetime.now(UTC)))
            results[201] += 1
        except Problem as problem:
            results[problem.status_code] += 1

    together(make, 8)
    assert results == {201: 1, 412: 7}


# Adds 1 to the number that is the name of a thing, 100 times, while others do the same.
COUNTER = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID
from api.auth import Principal, Role
from api.kept.store import Store
from api.kept.things import Kind, NewThing
from api.problems import Problem
from olap.errors import BusyError

store, id_, boss = Store(Path(sys.argv[1])), UUID(sys.argv[2]), Principal("boss", Role.ADMIN)
done = conflicts = 0
while done < 100:
    try:
        found = store.find(boss, id_)
        new = NewThing(kind=Kind.VIEW, name=str(int(found.name) + 1))
        store.change(boss, id_, found.version, new, datetime.now(UTC))
        done += 1
    except Problem as problem:
        assert problem.status_code == 412
        conflicts += 1
    except BusyError:
        pass
print(conflicts)
"""


def test_no_change_of_eight_processes_is_lost(tmp_path: Path) -> None:
    """800 changes by 8 processes, each of what it has read: all of them are in the end, because one
    that read an older version is refused and reads again."""
    store, id_ = Store(tmp_path), uuid4()
    store.create(principal(), id_, view("0"), datetime.now(UTC))
    command = [sys.executable, "-c", COUNTER, str(tmp_path), str(id_)]
    processes = [
        subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(8)
    ]
    conflicts = [int(process.communicate()[0]) for process in processes]
    assert {process.returncode for process in processes} == {0}
    found = store.find(principal(), id_)
    assert (found.name, found.version) == ("800", 801)
    assert sum(conflicts) > 0


NEWER = [
    Card(card="messages", width=1),
    Card(card="funnel", width=2, parameters={"steps": "3"}),
    Card(card="events", width=3, parameters={"interval": "quarterly"}),
]


def test_a_card_of_a_newer_version_stays_where_it_is(api: Api, state: Path) -> None:
    """A thing with cards and values that this version does not know is shown with them, and may be
    changed around them: moved, sized and removed, but neither altered nor made in another thing."""
    boss = api.admin()
    path = kept(boss, DASHBOARD)
    with writing(state) as connection:
        body = msgspec.json.encode(Body(cards=NEWER)).decode()
        run(
            connection, "kept/change", id=path[6:], name="Newer", is_shared=False,
            changed_at="2026-11-01T00:00:00+00:00", body=body,
        )  # fmt: skip
    cards = boss.get(path).json()["cards"]
    assert cards == msgspec.to_builtins(NEWER)
    moved = [cards[2] | {"width": 1}, cards[1], {"card": "engagement", "width": 1}]
    changed = boss.put(path, DASHBOARD | {"cards": moved}, version(2))
    assert [card["card"] for card in changed.json()["cards"]] == ["events", "funnel", "engagement"]
    altered = cards[1] | {"parameters": {"steps": "4"}}
    for refused, parameter in ((altered, "cards[0].card"), (cards[1] | {"x": 1}, "cards[0]")):
        answer = boss.put(path, DASHBOARD | {"cards": [refused]}, version(3))
        assert refusal(answer) == (400, parameter)
    copied = boss.put(f"/kept/{uuid4()}", DASHBOARD | {"cards": moved}, NEW)
    assert refusal(copied) == (400, "cards[0].parameters.interval")


def test_templates_are_things_to_copy(api: Api) -> None:
    """Each template can be kept as it is; members and administrators have their own ones, and all
    cards of the list are in one."""
    shipped = {}
    for caller in (api.admin(), api.member(ALICE)):
        found = caller.get("/kept/templates").json()["things"]
        shipped[caller.token] = [thing["id"] for thing in found]
        for thing in found:
            kept(caller, {name: thing[name] for name in ("kind", "name", "state", "cards")})
    both = ["overview", "community_health", "when_we_talk"]
    assert list(shipped.values()) == [[*both, "operations"], [*both, "my_conversations"]]
    every = [*templates(Role.ADMIN), *templates(Role.MEMBER)]
    assert {card.card for one in every if isinstance(one.cards, list) for card in one.cards} == set(
        CARDS
    )


def test_templates_are_as_the_api_spells_them() -> None:
    """What is in a file is what is shown, in the spelling of the API; no file is unknown."""
    paths = (ROOT / "api" / "kept" / "templates").iterdir()
    files = {path.stem: msgspec.json.decode(path.read_bytes(), type=NewThing) for path in paths}
    shown = {one.id: one for role in (Role.ADMIN, Role.MEMBER) for one in templates(role)}
    assert files.keys() == shown.keys()
    for name, new in files.items():
        template = shown[name]
        assert (new.name, new.state, new.is_shared) == (template.name, template.state, False)
        assert body_of(new).cards == template.cards


def test_what_cannot_be_read_is_said(api: Api, state: Path) -> None:
    """The client gets 503 without a path of the server, the log has the cause, and everything else
    is answered."""
    boss = api.admin()
    state.mkdir()
    (state / FILE).write_text("no database")
    with structlog.testing.capture_logs() as lines:
        answers = [boss.get("/kept"), boss.put(f"/kept/{uuid4()}", VIEW, NEW)]
    for answer in answers:
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
        assert "the log of the server says why" in answer.json()["detail"]
        assert str(state) not in answer.text
    failed = [line for line in lines if line["event"] == "kept.failed"]
    assert len(failed) == 2 and all(str(state) in line["error"] for line in failed)
    assert all("Restore it from a backup" in line["hint"] for line in failed)
    assert boss.get("/dashboard").status_code == 200
    assert boss.get("/kept/templates").status_code == 200


def test_a_lock_is_said(api: Api, state: Path) -> None:
    """While another program has the file locked, a change is 503 and says that it may be repeated;
    reading goes on."""
    boss = api.admin()
    path = kept(boss)
    with writing(state):
        refused = boss.put(path, VIEW, version(1))
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "2")
        assert "try again" in refused.json()["detail"]
        assert boss.get(path).status_code == 200
    assert boss.put(path, VIEW, version(1)).status_code == 200


def test_a_row_that_is_no_thing_is_damage(api: Api, state: Path) -> None:
    """A row that somebody has spoiled is 503 and named in the log, and never an answer."""
    boss = api.admin()
    path = kept(boss)
    with writing(state) as connection:
        connection.execute("update things set body = '{\"state\": 7}'")
    for answer in (boss.get("/kept"), boss.get(path), boss.put(path, VIEW, version(1))):
        assert answer.status_code == 503


def test_a_subject_may_be_any_text(api: Api) -> None:
    """Also half of a surrogate pair, which JSON can spell."""
    caller = Caller(api.client, api.token(Role.ADMIN, "half \ud800 of a pair"))
    kept(caller)
    assert names(caller) == ["Our month"]
    assert names(api.admin("half ? of a pair")) == []


def test_ids_have_one_spelling(api: Api) -> None:
    """A uuid in upper case is the same thing, and what is no uuid is 400."""
    boss = api.admin()
    path = kept(boss)
    assert boss.get(path[:6] + path[6:].upper()).json()["id"] == str(UUID(path[6:]))
    for wrong in ("x", "1", f"{path[6:]}0"):
        assert refusal(boss.get(f"/kept/{wrong}")) == (400, "thing_id")
