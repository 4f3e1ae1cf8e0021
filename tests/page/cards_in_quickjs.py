"""The cards and tiles of the page, run without a browser on answers that a test gives them."""

from __future__ import annotations

from typing import Any

from tests.page.modules import Modules

_FUNCTIONS = """
const textOf = (tree) =>
  tree === null || tree === undefined || typeof tree === "boolean" ? ""
  : Array.isArray(tree) ? tree.map(textOf).filter((text) => text !== "").join(" ")
  : typeof tree === "object" ? textOf(tree.props.children)
  : String(tree);
const classesOf = (tree) =>
  tree === null || typeof tree !== "object" ? []
  : Array.isArray(tree) ? tree.flatMap(classesOf)
  : [tree.props.class, ...classesOf(tree.props.children)].filter(Boolean);
const known = (value, text) => (value === null || value === undefined ? "?" : text(value));
const format = {
  number: (value) => known(value, String),
  compact: (value) => known(value, String),
  percent: (value) => known(value, (one) => `${one}%`),
  duration: (value) => known(value, (one) => `${one} s`),
  bucket: (at) => at.slice(5, 10),
  bucketLong: (at, interval) => (interval === "weekly" ? "week of " : "") + at.slice(0, 10),
  instant: (at) => known(at, (one) => one.slice(0, 16)),
  day: (at) => known(at, (one) => one.slice(0, 10)),
  date: (at) => known(at, (one) => one.slice(0, 10)),
  weekday: (day) => ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"][day - 1],
  change: (now, before) => ({ spoken: now > before ? "up" : now < before ? "down" : "unchanged" }),
};
const changes = [];
const viewWith = (given) => ({
  ...given,
  format,
  lastDays: (count) => ({ start: `last-${count}` }),
  change: (patch) => changes.push(patch),
});
const all = [...OVERVIEW, ...MORE, ...PERSON, ...CONVERSATION];
const pieceOf = (id) => all.find((one) => one.id === id);
"""
_CARDS = Modules(
    "cards/index.js",
    "cards/more.js",
    "drill.js",
    "drill/person.js",
    "drill/conversation.js",
    "view.js",
    "charts/svg_text.js",
)
STATE = {
    "days": "30", "start": "", "end": "", "compare": "previous", "tz": "", "interval": "",
    "include_bots": "true", "include_direct": "", "sort_by": "messages", "user_id": "",
    "conversation_id": "", "theme": "", "dashboard": "",
}  # fmt: skip


def view(
    role: str = "admin",
    interval: str = "daily",
    missing: tuple[str, ...] = (),
    conversation_ids: str = "uuid",
    compare: str = "previous",
    **state: str,
) -> dict[str, Any]:
    """What a card is a function of besides its answers: thirty days in Kathmandu.

    Args:
        missing: tables that the messenger does not keep.
        conversation_ids: the type of the ids of conversations.
    """
    period = {"start": "2026-10-27", "tz": "Asia/Kathmandu"}
    return {
        "state": {**STATE, "compare": compare, **state},
        "role": role,
        "subject": "7",
        "zone": "Asia/Kathmandu",
        "interval": interval,
        "period": {**period, "compare": compare} if compare else period,
        "generation": {
            "data_through": "2026-11-25T17:00:00Z",
            "id_types": {"user": "integer", "conversation": conversation_ids},
            "not_available": [{"table": table, "reason": "by its mapping"} for table in missing],
        },
    }


def ids_for(given: dict[str, Any]) -> tuple[list[str], list[str]]:
    """The ids of the pieces that the viewer of this view has: of the overview in its order, and
    those for other dashboards."""
    function = """(given) => [OVERVIEW, MORE].map((list) =>
      list.filter((one) => isFor(one, viewWith(given))).map((one) => one.id))"""
    overview, more = _run(function, given)
    return overview, more


def asks(piece: str, given: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """What a piece asks, by name: path and parameters."""
    found: dict[str, dict[str, Any]] = _run(
        "(id, given) => pieceOf(id).asks(viewWith(given))", piece, given
    )
    return found


def tile(piece: str, bodies: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    """The value of a tile; `text` is that of now. `before` is absent where it is undefined."""
    function = """(id, bodies, given) => {
      const value = pieceOf(id).value(bodies, viewWith(given));
      return { ...value, text: value.text(value.now) };
    }"""
    found: dict[str, Any] = _run(function, piece, bodies, given)
    return found


def card(piece: str, bodies: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    """The content of a card.

    `rows` and `columns` are those of its table, `cells` their texts, `body` its words, `classes`
    those of the elements of its body, `svg` its chart.
    """
    function = """(id, bodies, given) => {
      const found = pieceOf(id).content(bodies, viewWith(given));
      const { table, chart, body, note } = found;
      const drawing = chart?.(600);
      return {
        empty: found.empty,
        sentence: found.sentence,
        note,
        legend: found.legend?.map(({ label }) => label),
        columns: table?.columns.map(({ name }) => name),
        rows: table?.rows,
        cells: table?.rows.map((row) => row.map((value, i) =>
          (table.columns[i].format ?? ((one) => String(one ?? "?")))(value))),
        labels: table?.label && table.rows.map((_, i) => table.label(i)),
        body: textOf(body),
        classes: classesOf(body),
        svg: drawing && svgText(drawing.tree, ""),
        count: drawing && drawing.plot.count * (drawing.plot.rows?.count ?? 1),
      };
    }"""
    found: dict[str, Any] = _run(function, piece, bodies, given)
    return found


def opened(piece: str, bodies: dict[str, Any], given: dict[str, Any]) -> list[dict[str, str]]:
    """How each button in the body of a card changes the state, in its order."""
    function = """(id, bodies, given) => {
      changes.length = 0;
      const press = (tree) => {
        if (Array.isArray(tree)) tree.forEach(press);
        else if (tree !== null && typeof tree === "object") {
          if (tree.type === "button") tree.props.onClick();
          press(tree.props.children);
        }
      };
      press(pieceOf(id).content(bodies, viewWith(given)).body);
      return changes;
    }"""
    found: list[dict[str, str]] = _run(function, piece, bodies, given)
    return found


def choices(piece: str, given: dict[str, Any]) -> list[tuple[str, str, list[str]]]:
    """The choices of a card: the part of the state, its value, and the values that it may have."""
    function = """(id, given) => (pieceOf(id).choices?.(viewWith(given)) ?? []).map(
      ({ name, value, options }) => [name, value, options.map((one) => one.value)])"""
    return [(name, value, options) for name, value, options in _run(function, piece, given)]


def panel_title(given: dict[str, Any], bodies: list[dict[str, Any]]) -> str:
    """What the panel of the open person or conversation is called, if these are on the page."""
    function = """(given, bodies) =>
      drillTitle(given.state, bodies.map((body) => ({ status: 200, body })))"""
    found: str = _run(function, given, bodies)
    return found


def panel_ids(given: dict[str, Any]) -> list[str]:
    """The ids of the pieces of the open person or conversation."""
    found: list[str] = _run("(given) => drillPieces(given).map((one) => one.id)", given)
    return found


def catalog_of_pieces() -> list[dict[str, Any]]:
    """Every piece of the page and of the panels: id and metrics."""
    function = """() => all.map(
      ({ id, metrics }) => ({ id, metrics }))"""
    found: list[dict[str, Any]] = _run(function)
    return found


def _run(function: str, *arguments: Any) -> Any:
    return _CARDS.run(
        f"(...given) => {{ {_FUNCTIONS}; return ({function})(...given); }}", *arguments
    )
