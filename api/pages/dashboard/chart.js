/**
 * A chart in the page: drawn for the width that it has, read by pointer and by arrow keys.
 *
 * @import { Drawing, Plot, Table } from "./types.js"
 */

import { labelOf, valuesOf } from "./table.js";
import { Component, h } from "./vendor/preact.js";

/**
 * @typedef {object} ChartProps
 * @property {string} title
 * @property {(width: number) => Drawing} draw
 * @property {Table | undefined} table what the pointer and the arrow keys read, row by row
 * @property {(words: string) => void} say
 */

/** The width of a chart on A4 and Letter, from which it is stretched to the exact one; pixels. */
const PAPER_WIDTH = 680;

/** @extends {Component<ChartProps, { width: number, row: number | null }>} */
export class Chart extends Component {
  constructor() {
    super();
    /** @type {HTMLElement | null} */
    this.box = null;
    this.state = { width: 0, row: null };
    this.observer = new ResizeObserver(() => this.measure());
    // The browser lays out the paper after these events, and notifies no observer.
    this.toPaper = () => this.setState({ width: PAPER_WIDTH, row: null });
    this.fromPaper = () => this.measure();
  }

  componentDidMount() {
    if (this.box === null) return;
    this.observer.observe(this.box);
    addEventListener("beforeprint", this.toPaper);
    addEventListener("afterprint", this.fromPaper);
    this.measure();
  }

  componentWillUnmount() {
    this.observer.disconnect();
    removeEventListener("beforeprint", this.toPaper);
    removeEventListener("afterprint", this.fromPaper);
  }

  measure() {
    const width = Math.floor(this.box?.clientWidth ?? 0);
    if (width !== this.state.width) this.setState({ width });
  }

  render() {
    const { title, draw, table } = this.props;
    const { width, row } = this.state;
    const drawing = width > 0 ? draw(width) : null;
    const plot = table === undefined ? null : (drawing?.plot ?? null);
    return h(
      "div",
      {
        class: "plot",
        ref: (/** @type {HTMLElement | null} */ box) => {
          this.box = box;
        },
        ...(plot !== null && {
          tabIndex: 0,
          role: "group",
          "aria-roledescription": "chart",
          "aria-label": `${title}. Arrow keys read its values.`,
          onPointerMove: (/** @type {PointerEvent} */ event) => this.follow(event, plot),
          onPointerLeave: () => this.setState({ row: null }),
          onKeyDown: (/** @type {KeyboardEvent} */ event) => this.step(event, plot),
          onBlur: () => this.setState({ row: null }),
        }),
      },
      drawing?.tree,
      plot !== null && table !== undefined && row !== null && row < countOf(plot)
        ? [cursor(plot, row), tip(plot, row, table, width)]
        : null,
    );
  }

  /** @param {PointerEvent} event @param {Plot} plot */
  follow(event, plot) {
    const box = /** @type {HTMLElement} */ (this.box).getBoundingClientRect();
    this.setState({ row: rowAt(plot, event.clientX - box.left, event.clientY - box.top) });
  }

  /** @param {KeyboardEvent} event @param {Plot} plot */
  step(event, plot) {
    const { row } = this.state;
    const next = rowAfter(plot, row, event.key);
    if (next === undefined || this.props.table === undefined) return;
    event.preventDefault();
    this.setState({ row: next });
    if (next !== null) this.props.say(sentenceOf(this.props.table, next));
  }
}

/** The number of values of a chart. @param {Plot} plot */
const countOf = ({ count, rows }) => count * (rows?.count ?? 1);

/**
 * The value at a point.
 *
 * @param {Plot} plot
 * @param {number} x
 * @param {number} y
 * @returns {number | null} its row in the table
 */
function rowAt({ left, step, count, rows }, x, y) {
  const column = Math.floor((x - left) / step);
  const line = rows === undefined ? 0 : Math.floor((y - rows.top) / rows.step);
  const isIn = column >= 0 && column < count && line >= 0 && line < (rows?.count ?? 1);
  return isIn ? line * count + column : null;
}

/**
 * The value to which a key leads.
 *
 * @param {Plot} plot
 * @param {number | null} row the current one, if any
 * @param {string} key
 * @returns {number | null | undefined} null = nowhere, undefined = the key means nothing here
 */
function rowAfter(plot, row, key) {
  const last = countOf(plot) - 1;
  if (key === "Escape" && row !== null) return null;
  const next = {
    ArrowLeft: row === null ? last : row - 1,
    ArrowRight: row === null ? 0 : row + 1,
    ...(plot.rows !== undefined && {
      ArrowUp: row === null ? last : row - plot.count,
      ArrowDown: row === null ? 0 : row + plot.count,
    }),
    Home: 0,
    End: last,
  }[key];
  return next === undefined ? undefined : Math.min(last, Math.max(0, next));
}

/** Where the mark of a value is. @param {Plot} plot @param {number} row */
function placeOf({ left, step, count, top, height, rows }, row) {
  const x = left + (row % count) * step;
  return rows === undefined
    ? { x, y: top, height }
    : { x, y: rows.top + Math.floor(row / count) * rows.step, height: rows.step };
}

/** The mark of a value. @param {Plot} plot @param {number} row */
function cursor(plot, row) {
  const { x, y, height } = placeOf(plot, row);
  const style = { left: `${x}px`, top: `${y}px`, width: `${plot.step}px`, height: `${height}px` };
  return h("div", { key: "cursor", class: "cursor", style });
}

/**
 * The values of a row, beside its mark.
 *
 * @param {Plot} plot
 * @param {number} row
 * @param {Table} table
 * @param {number} width
 */
function tip(plot, row, table, width) {
  const { x } = placeOf(plot, row);
  const place = x > width / 2 ? { right: `${width - x}px` } : { left: `${x + plot.step}px` };
  return h(
    "div",
    { key: "tip", class: "tip", style: { left: "auto", right: "auto", ...place } },
    h("b", null, labelOf(table, row)),
    valuesOf(table, row).map(({ title, text }) =>
      h("div", { key: title }, h("span", null, title), h("span", null, text)),
    ),
  );
}

/** @param {Table} table @param {number} row */
const sentenceOf = (table, row) =>
  [labelOf(table, row), ...valuesOf(table, row).map(({ title, text }) => `${title} ${text}`)].join(
    ", ",
  );
