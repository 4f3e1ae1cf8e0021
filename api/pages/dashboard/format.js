/**
 * Numbers, times and changes as people read them, in a language and a zone.
 *
 * Nothing here reads a clock or the browser's settings. Null is unknown, written as a
 * dash, and never a zero.
 *
 * @import { Change, Formats, Interval } from "./types.js"
 */

const UNKNOWN = "–";
const COMPACT_FROM = 10_000; // up to four digits are read as fast as "4.2K"
const [MINUTE, HOUR, DAY] = [60, 3600, 86_400]; // seconds

/** @typedef {number | null | undefined} Value */

/** @type {Record<Interval, Intl.DateTimeFormatOptions>} */
const BUCKET = {
  hourly: { hour: "2-digit", minute: "2-digit", hourCycle: "h23" },
  daily: { day: "numeric", month: "short" },
  weekly: { day: "numeric", month: "short" },
  monthly: { month: "short", year: "numeric" },
};
/** @type {Intl.DateTimeFormatOptions} */
const DATE = { weekday: "short", day: "numeric", month: "short", year: "numeric" };
/** @type {Intl.DateTimeFormatOptions} */
const CLOCK = { hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
/** @type {Record<Interval, Intl.DateTimeFormatOptions>} */
const BUCKET_LONG = {
  hourly: { ...DATE, ...CLOCK },
  daily: DATE,
  weekly: DATE,
  monthly: { month: "long", year: "numeric" },
};

/**
 * Everything that writes for a reader.
 * @param {string} language BCP 47 tag
 * @param {string} zone IANA name
 * @returns {Formats}
 */
export function formats(language, zone) {
  const times = once((/** @type {Intl.DateTimeFormatOptions} */ options) => {
    const format = new Intl.DateTimeFormat(language, { ...options, timeZone: zone });
    return (/** @type {string | null} */ instant) =>
      instant === null ? UNKNOWN : format.format(new Date(instant));
  });
  const numbers = once((/** @type {Intl.NumberFormatOptions} */ options) => {
    const format = new Intl.NumberFormat(language, options);
    return (/** @type {number} */ value) => format.format(value);
  });
  const weekdays = new Intl.DateTimeFormat(language, { weekday: "short", timeZone: "UTC" });
  const dates = new Intl.DateTimeFormat(language, { ...DATE, weekday: undefined, timeZone: "UTC" });
  const relative = new Intl.RelativeTimeFormat(language, { numeric: "auto", style: "short" });

  /** @param {Value} value */
  function number(value) {
    return isUnknown(value) ? UNKNOWN : numbers({ maximumFractionDigits: 1 })(value);
  }

  /**
   * A number in little room, as in 25.6K.
   * @param {Value} value
   */
  function compact(value) {
    if (isUnknown(value) || Math.abs(value) < COMPACT_FROM) return number(value);
    return numbers({ notation: "compact", maximumFractionDigits: 1 })(value);
  }

  /**
   * A rate that is given in percent, as the API does.
   * @param {Value} value
   * @param {number} decimals
   */
  function percent(value, decimals = 1) {
    if (isUnknown(value)) return UNKNOWN;
    const options = { style: "percent", maximumFractionDigits: decimals };
    return numbers(/** @type {Intl.NumberFormatOptions} */ (options))(
      rounded(value, decimals) / 100,
    );
  }

  /**
   * A length of time in its usual unit, by a symbol that every language has.
   * @param {Value} seconds
   */
  function duration(seconds) {
    if (isUnknown(seconds)) return UNKNOWN;
    const [symbol, length, maximumFractionDigits] = unitOf(seconds);
    return `${numbers({ maximumFractionDigits })(seconds / length)}\u00a0${symbol}`;
  }

  /**
   * The short label of a bucket that begins at an instant.
   * @param {string} instant
   * @param {Interval} interval
   */
  function bucket(instant, interval) {
    return times(BUCKET[interval])(instant);
  }

  /**
   * A bucket, so that no other one is called the same.
   * @param {string} instant
   * @param {Interval} interval
   */
  function bucketLong(instant, interval) {
    const text = times(BUCKET_LONG[interval])(instant);
    return interval === "weekly" ? `week of ${text}` : text;
  }

  /**
   * How long ago an instant was; one that a slow clock calls the future is now.
   * @param {number} fromMs
   * @param {number} nowMs
   */
  function ago(fromMs, nowMs) {
    const seconds = (nowMs - fromMs) / 1000;
    if (seconds < MINUTE) return relative.format(0, "second");
    if (seconds < HOUR) return relative.format(-Math.floor(seconds / MINUTE), "minute");
    if (seconds < 2 * DAY) return relative.format(-Math.floor(seconds / HOUR), "hour");
    return relative.format(-Math.floor(seconds / DAY), "day");
  }

  /**
   * How a number differs from an earlier one. A rate differs in points, of the rounded rates that
   * are shown, because readers subtract what they see; other numbers in percent of the earlier one.
   * @param {Value} now
   * @param {Value} before
   * @param {{ good?: 1 | -1 | 0, inPoints?: boolean }} [meaning] `good`: which direction is
   * @returns {Change}
   */
  function change(now, before, { good = 1, inPoints = false } = {}) {
    if (isUnknown(now) || isUnknown(before)) return same("no earlier data");
    if (now === before) return same("unchanged");
    if (inPoints) {
      const points = rounded(rounded(now, 1) - rounded(before, 1), 1);
      if (points === 0) return same("unchanged");
      return moved(points, `${number(Math.abs(points))} pt`, good);
    }
    if (before === 0) return { ...moved(now, "", good), words: "new", spoken: "new" };
    const share = (100 * (now - before)) / Math.abs(before);
    const decimals = Math.abs(share) < 10 ? 1 : 0;
    if (rounded(share, decimals) === 0) return same("about the same");
    return moved(share, percent(Math.abs(share), decimals), good);
  }

  return Object.freeze({
    number,
    compact,
    percent,
    duration,
    bucket,
    bucketLong,
    ago,
    change,
    /** Weekday, date and time. @param {string | null} instant */
    instant: (instant) => times({ ...DATE, ...CLOCK })(instant),
    /** Weekday and date. @param {string | null} instant */
    day: (instant) => times(DATE)(instant),
    /** Hours and minutes. @param {string | null} instant */
    time: (instant) => times(CLOCK)(instant),
    /** Dates of a calendar, which is in no zone, as in "1–12 Nov 2026". @param {string} first as in 2026-11-03 @param {string} [last] */
    dates: (first, last = first) => dates.formatRange(midnight(first), midnight(last)),
    /** The short name of a weekday. @param {number} iso 1 is Monday, 7 is Sunday */
    weekday: (iso) => weekdays.format(new Date(Date.UTC(2024, 0, iso))), // 1 January was a Monday
  });
}

/** @param {string} date */
const midnight = (date) => new Date(`${date}T00:00:00Z`);

/**
 * A zone that this browser knows.
 * @param {string} wanted IANA name, or empty
 * @param {string} fallback
 */
export function usableZone(wanted, fallback) {
  if (wanted === "") return fallback;
  try {
    return new Intl.DateTimeFormat("en", { timeZone: wanted }) && wanted;
  } catch {
    return fallback; // RangeError: no such zone
  }
}

/**
 * @param {Value} value
 * @returns {value is null | undefined}
 */
function isUnknown(value) {
  return value === null || value === undefined;
}

/**
 * The unit of a length of time: its symbol, its seconds, and the decimals that are read.
 * @param {number} seconds
 * @returns {[string, number, number]}
 */
function unitOf(seconds) {
  if (seconds < 1.5 * MINUTE) return ["s", 1, 0];
  if (seconds < 1.5 * HOUR) return ["min", MINUTE, 0];
  return seconds < 2 * DAY ? ["h", HOUR, 1] : ["d", DAY, 1];
}

/**
 * @param {string} words
 * @returns {Change}
 */
function same(words) {
  return { words, spoken: words, direction: "flat", tone: "neutral" };
}

/**
 * Where fewer is good, the arrow alone would mislead: the words say which it is.
 * @param {number} difference not 0
 * @param {string} size
 * @param {1 | -1 | 0} good
 * @returns {Change}
 */
function moved(difference, size, good) {
  const isUp = difference > 0;
  const isGood = isUp === good > 0;
  const verdict = good === -1 ? (isGood ? " better" : " worse") : "";
  return {
    words: `${isUp ? "↑" : "↓"} ${size}${verdict}`,
    spoken: `${isUp ? "up" : "down"} ${size}${verdict}`,
    direction: isUp ? "up" : "down",
    tone: good === 0 ? "neutral" : isGood ? "good" : "bad",
  };
}

/**
 * @param {number} value
 * @param {number} decimals
 */
function rounded(value, decimals) {
  const power = 10 ** decimals;
  return Math.round(value * power) / power;
}

/**
 * Makes a formatter for some options once: it takes longer to make than a page of numbers to write.
 * @template {object} Options
 * @template Formatter
 * @param {(options: Options) => Formatter} make
 * @returns {(options: Options) => Formatter}
 */
function once(make) {
  /** @type {Map<string, Formatter>} */
  const made = new Map();
  return (options) => {
    const key = JSON.stringify(options);
    const found = made.get(key) ?? make(options);
    made.set(key, found);
    return found;
  };
}
