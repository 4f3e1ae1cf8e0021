// The types that the modules of the page share. Read by the type checker alone; never served.

import type { VNode } from "preact";

export type Tree = VNode<any> | string | number | null | false | undefined | Tree[];

/** What the page shows, as the query of its URL has it; names and values are those of the API. */
export interface State {
  days: string;
  start: string;
  end: string;
  compare: string;
  tz: string;
  interval: string;
  include_bots: string;
  include_direct: string;
  sort_by: string;
  user_id: string;
  conversation_id: string;
  theme: string;
  dashboard: string;
}

/** Who is signed in, by the claims of the token. */
export interface Session {
  token: string;
  subject: string;
  role: "admin" | "member" | "service";
  /** When the token expires, in milliseconds since 1970. */
  expires_at: number;
}

/** One question: what follows the prefix of the API in its URL. */
export interface Ask {
  path: string;
  parameters: Parameters;
}

export type Parameters = Record<string, string>;
export type Asks = Record<string, Ask>;

export interface Answer {
  status: number;
  /** Seconds after which it may succeed; of 429 and 503. */
  retry_after?: number;
  body: any;
}

/** `GET /generation`. */
export interface Generation {
  generation: number;
  data_through: string;
  generated_at: string;
  proved_at: string | null;
  coverage: { first_day: string | null; last_day: string | null }[];
  first_day: string | null;
  zones: string[];
  zones_release: string;
  mapping: string;
  id_types: Record<string, string>;
  inexact: string[];
  not_available: { table: string; reason: string }[];
}

/** One generation, and every answer of it that the page has; replaced as a whole. */
export interface Shown {
  generation: Generation;
  /** The state that was asked for; the page shows it until the answers of another one are there. */
  state: State;
  /** Answers by the key of their ask. */
  answers: ReadonlyMap<string, Answer>;
  /** Whether all asks of the state have been answered, and not only the first ones. */
  is_complete: boolean;
}

/** What the API said when it did not answer. */
export interface Refusal {
  /** The HTTP status; 0 = the server was not reached. */
  status: number;
  detail: string;
  /** Tells it apart from others of the same status; "" = nothing does. */
  reason: string;
  /** Seconds. */
  retry_after: number | null;
}

/** Why the last attempt to load failed. */
export interface Trouble {
  status: number;
  detail: string;
  reason: string;
  /** Whether only some answers are missing. */
  is_partial: boolean;
  /** When it is tried again, in milliseconds since 1970; null = not by itself. */
  retry_at: number | null;
}

/** What the cards are functions of, besides the answers. */
export interface View {
  state: State;
  role: "admin" | "member";
  subject: string;
  generation: Generation;
  zone: string;
  interval: Interval;
  /** The parameters of the period, for every endpoint that has one. */
  period: Parameters;
  /** The parameters of the last whole local days, today so far included, whatever the period. */
  lastDays: (count: number) => Parameters;
  format: Formats;
  live: Live;
  later: Later | null;
  kept: Kept | null;
  draft: Draft | null;
  /** Change the state: the URL, and with it the page. */
  change: (patch: Partial<State>) => void;
}

/** What the stream has sent. */
export interface Live {
  is_connected: boolean;
  /** Events by minute and type, oldest first; null = there is no feed for this viewer. */
  minutes: { minute: string; counts: Record<string, number> }[] | null;
  has_gap: boolean;
  /** The minute that is now; "" = there is no feed. */
  until: string;
}

/** The length of a timeline's buckets. */
export type Interval = "hourly" | "daily" | "weekly" | "monthly";

/** How a number differs from an earlier one. */
export interface Change {
  /** With an arrow: "↑ 19%", "↓ 3.1 pt", "new", "unchanged". */
  words: string;
  /** The same for a voice: "up 19%". */
  spoken: string;
  direction: "up" | "down" | "flat";
  tone: "good" | "bad" | "neutral";
}

/** Numbers and times in a language and a zone; null is "–". */
export interface Formats {
  number: (value: number | null) => string;
  compact: (value: number | null) => string;
  percent: (value: number | null, decimals?: number) => string;
  duration: (seconds: number | null) => string;
  bucket: (instant: string, interval: Interval) => string;
  bucketLong: (instant: string, interval: Interval) => string;
  instant: (instant: string | null) => string;
  day: (instant: string | null) => string;
  dates: (first: string, last?: string) => string;
  time: (instant: string | null) => string;
  ago: (from: number, now: number) => string;
  weekday: (number: number) => string;
  change: (
    now: number | null,
    before: number | null,
    rules?: { good?: 1 | 0 | -1; inPoints?: boolean },
  ) => Change;
}

/** A chart, and where its values are. */
export interface Drawing {
  tree: VNode<any>;
  plot: Plot;
}

/** Where the values of a chart are, in pixels: bucket i begins at left + i * step. */
export interface Plot {
  left: number;
  step: number;
  count: number;
  top: number;
  height: number;
  /** Of a heatmap, whose value i is in row i / count (rounded down), column i % count. */
  rows?: { top: number; step: number; count: number };
}

export interface Column {
  name: string;
  title: string;
  format?: (value: any) => string;
  /** Whether it names the row, as the first column does, and is not read out as one of its values. */
  is_key?: boolean;
}

export interface Table {
  columns: Column[];
  rows: unknown[][];
  /** What row i is called when a chart shows it. */
  label?: (row: number) => string;
}

export interface LegendItem {
  className: string;
  label: string;
}

/** What a card shows. */
export interface Content {
  note?: Tree;
  legend?: LegendItem[];
  /** The main thing in a sentence, for everybody who does not see the chart. */
  sentence?: string;
  chart?: (width: number) => Drawing;
  body?: Tree;
  table?: Table;
  /** Whether it is a picture of the moment, which is not saved. */
  is_passing?: boolean;
  /** Shown instead of all else. */
  empty?: Tree;
}

/** A choice in the header of a card: buttons that change one part of the state. */
export interface Choice {
  label: string;
  name: keyof State;
  value: string;
  options: { value: string; label: string }[];
}

interface Piece {
  /** In the URLs of dashboards; never changes. */
  id: string;
  title: string;
  /** The metrics that `?` explains, as the catalog names them. */
  metrics: string[];
  /** Only these see it; without it everybody does. */
  role?: "admin" | "member";
  /** Tables that the messenger must keep. */
  needs?: string[];
  asks: (view: View) => Asks;
}

/** One card. `content` receives the bodies of its answers by the names of its asks. */
export interface Card extends Piece {
  kind: "card";
  /** Of three columns. */
  width: 1 | 2 | 3;
  choices?: (view: View) => Choice[];
  content: (bodies: Record<string, any>, view: View) => Content;
}

/** One number with its change. */
export interface Tile extends Piece {
  kind: "tile";
  value: (bodies: Record<string, any>, view: View) => TileValue;
}

export interface TileValue {
  now: number | null;
  /** The same of the earlier period; undefined = nothing is compared. */
  before?: number | null;
  text: (value: number | null) => string;
  /** Whether more is good (1), bad (-1) or neither (0). */
  good: 1 | 0 | -1;
  /** Whether it is a rate, whose change is in points. */
  is_rate?: boolean;
  spark?: { values: (number | null)[]; is_partial: boolean };
}

/** A piece on a page, with the parameters that it has there instead of those of the state. */
export interface Item {
  piece: Card | Tile | null;
  /** The id, also of a piece that this version does not know. */
  id: string;
  /** Different for each item of a page, also if a piece stands there twice. */
  key: string;
  width: 1 | 2 | 3;
  parameters: Partial<State>;
}

/** One version of a metric in `GET /catalog`. */
export interface Metric {
  metric: string;
  version: number;
  is_newest: boolean;
  definition: string;
  grain: string;
  rules: string;
  parameters: string[];
  statement: string;
  endpoints: string[];
  fingerprint: string;
}

/** A card of a dashboard, by the id of its piece. */
export interface KeptCard {
  card: string;
  width: 1 | 2 | 3;
  parameters: Record<string, string>;
}

/** What a file or a body has of a view or a dashboard. */
export interface NewThing {
  kind: "view" | "dashboard";
  name: string;
  is_shared: boolean;
  state: Record<string, string>;
  /** Of a dashboard. */
  cards?: KeptCard[];
}

/** A view or a dashboard of `GET /kept`. */
export interface Thing extends NewThing {
  id: string;
  is_own: boolean;
  version: number;
  changed_at: string;
}

/** A dashboard of `GET /kept/templates`. */
export interface Template extends Omit<NewThing, "is_shared"> {
  id: string;
}

/** What one keeps and sees. */
export interface Kept {
  things: Thing[];
  templates: Template[];
  /** Why the last request about it was refused; "" = it was not. */
  fault: string;
}

/** A dashboard while it is edited. */
export interface Draft {
  id: string;
  /** The version that it replaces; 0 = it is new. */
  version: number;
  /** Who edits it. */
  subject: string;
  name: string;
  is_shared: boolean;
  is_own: boolean;
  /** Each has a key of its own, by which it is found again when it is moved. */
  cards: (KeptCard & { key: string })[];
  is_dirty: boolean;
  /** Why it is not saved; "" = nothing is wrong. */
  fault: string;
  /** What somebody has made of it meanwhile; null: it was removed; undefined: nothing. */
  theirs: Thing | null | undefined;
}

/** The script of what the first view does not need. */
export type Later = typeof import("./later.js");

/** The whole of what the page is a function of. */
export interface Model {
  session: Session | null;
  /** Why signing in is needed; "" = nothing is wrong. */
  signed_out_reason: string;
  state: State;
  shown: Shown | null;
  is_loading: boolean;
  trouble: Trouble | null;
  /** Whether the browser has a network. */
  is_online: boolean;
  catalog: { metrics: Metric[] } | null;
  /** Why the catalog is not there. */
  catalog_fault: string;
  /** Keys of the asks whose answers the last new generation has changed, for a moment. */
  changed: ReadonlySet<string>;
  /** Whether single keys do something; who speaks to the computer may turn them off. */
  has_keys: boolean;
  /** Keys of the items that are shown as tables. */
  tables: ReadonlySet<string>;
  live: Live;
  /** null until something of it is wanted. */
  later: Later | null;
  /** null until somebody wants to see it. */
  kept: Kept | null;
  /** The dashboard that is edited. */
  draft: Draft | null;
  language: string;
  /** The zone of the browser. */
  zone: string;
  /** The clock, in milliseconds since 1970; it ticks when something that is shown changes with it. */
  now: number;
  /** What was done last, for `role=status`. */
  said: string;
}

export interface Actions {
  signIn: (token: string, is_kept: boolean) => void;
  signOut: () => void;
  change: (patch: Partial<State>) => void;
  /** Ask again what was not answered. */
  retry: () => void;
  toggleTable: (key: string) => void;
  wantCatalog: () => void;
  wantLater: () => Promise<void>;
  /** List the viewer's things, also if they are listed already. */
  wantKept: () => Promise<void>;
  /** Change the things that are kept or edited. isAsked: whether the page may need more answers for it. */
  edit: (patch: Partial<Pick<Model, "kept" | "draft">>, isAsked?: boolean) => void;
  /** The model as it is now. */
  model: () => Model;
  setKeys: (has_keys: boolean) => void;
  say: (words: string) => void;
}
