// frame.js: the turns as a table: which columns there are, in what order the rows stand, and the
// rows as CSV and Markdown. Pure.

import { remarksText } from "./remarks.js";
import { speakerOf } from "./words.js";

/**
 * @typedef {{name: string, title: string, kind: "text" | "number" | "label", width: string,
 *   room: "" | "less" | "extra" | "asked", value: (turn: any) => any}} Column
 *   name as in the DataFrame; room: hidden where it is narrow, or until it is asked for
 */

/** @type {Column[]} */
export const COLUMNS = [
  column("connection", "Connection", "number", "84px", "asked"),
  column("turn_order", "Turn", "number", "58px", "", (turn) => turn.turn),
  column("channel", "Channel", "number", "76px", "asked"),
  column("speaker", "Speaker", "label", "96px", "", speakerOf),
  column("start_s", "Start (s)", "number", "78px", ""),
  column("end_s", "End (s)", "number", "78px", "less"),
  column("transcript", "Text", "text", "", "", (turn) => turn.text),
  column("label", "Labels", "label", "104px", "less", (turn) => textsOf(turn.remarks?.labels)),
  column("note", "Notes", "label", "140px", "asked", (turn) => textsOf(turn.remarks?.notes)),
  column("corrected", "Corrected", "text", "", "asked", (turn) => turn.remarks?.corrected?.text ?? ""),
  column("n_words", "Words", "number", "68px", "extra"),
  column("confidence", "Confidence", "number", "96px", "extra"),
  column("arrived_s", "Arrived (s)", "number", "94px", "extra"),
  column("is_final", "Final", "label", "62px", "asked", (turn) => (turn.is_final ? "yes" : "no")),
];

/** @returns {Column} */
function column(name, title, kind, width, room, value = (turn) => turn[name]) {
  return { name, title, kind, width, room, value };
}

/** Several as one cell has them. */
function textsOf(/** @type {{text: string}[] | undefined} */ said) {
  return (said ?? []).map(({ text }) => text).join("; ");
}

/**
 * Names of the columns that are shown: those chosen, else what is of use.
 * @param {string[] | null} chosen @param {boolean} withSpeakers @param {boolean} withLabels
 */
export function shownColumns(chosen, withSpeakers, withLabels = false) {
  const names = COLUMNS.map(({ name }) => name);
  const known = chosen?.filter((name) => names.includes(name)) ?? [];
  if (known.length) return COLUMNS.filter(({ name }) => known.includes(name));
  const used = { speaker: withSpeakers, label: withLabels };
  return COLUMNS.filter(({ name, room }) => room !== "asked" && (used[name] ?? true));
}

/** Text of a cell, as it is read. @param {Column} column @param {any} turn */
export function cellText({ name, value }, turn) {
  const found = value(turn);
  if (found === null || found === undefined) return "";
  return /_s$|^confidence$/.test(name) ? found.toFixed(2) : String(found);
}

/** Text without case and accents, as it is searched. */
export function folded(/** @type {string} */ text) {
  return text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
}

/** @type {WeakMap<object, {of: string, is: string}>} what is searched in a turn, made once */
const SEARCHED = new WeakMap();

/** Whether speaker, text or remarks of a turn have each of the words. @param {any} turn @param {string[]} wanted */
export function hasAll(turn, wanted) {
  const of = [speakerOf(turn), turn.text, turn.remarks ? remarksText(turn.remarks) : ""].join("\n");
  let known = SEARCHED.get(turn);
  if (known?.of !== of) SEARCHED.set(turn, (known = { of, is: folded(of) }));
  return wanted.every((word) => known.is.includes(word));
}

/**
 * Rows in the order they are shown.
 * @param {any[]} turns in order of audio
 * @param {string} filter words that text and speaker must have
 * @param {{name: string, descending: boolean} | null} sort null: the order of audio
 * @param {any[]} before rows as they were: little has moved since, which makes sorting quick
 */
export function arrange(turns, filter, sort, before = []) {
  const wanted = folded(filter).split(/\s+/).filter(Boolean);
  let rows = wanted.length ? turns.filter((turn) => hasAll(turn, wanted)) : turns;
  if (!sort) return rows;
  const { value, kind } = /** @type {Column} */ (COLUMNS.find(({ name }) => name === sort.name));
  const stay = new Set(rows);
  const old = before.filter((turn) => stay.delete(turn)); // what is left in it is new
  rows = [...old, ...stay];
  const place = new Map(turns.map((turn, i) => [turn, i]));
  const collator = kind === "number" ? null : new Intl.Collator(undefined, { numeric: true });
  const sign = sort.descending ? -1 : 1;
  return rows.sort((a, b) => {
    const [x, y] = [value(a) ?? "", value(b) ?? ""];
    if (x === y) return place.get(a) - place.get(b);
    if (x === "" || y === "") return x === "" ? 1 : -1; // what is missing stands at the end
    return sign * (collator ? collator.compare(x, y) || (x < y ? -1 : 1) : x - y);
  });
}

/** A value for a file: numbers in full. @param {Column} column @param {any} turn */
function fileText(column, turn) {
  const found = column.value(turn);
  if (column.name === "is_final") return turn.is_final ? "True" : "False";
  return found === null || found === undefined ? "" : String(found);
}

/** Rows as CSV. A text that a spreadsheet would compute gets an apostrophe in front. */
export function toCsv(/** @type {any[]} */ rows, /** @type {Column[]} */ columns) {
  const cell = (/** @type {Column} */ column, /** @type {any} */ turn) => {
    let text = fileText(column, turn);
    if (column.kind !== "number" && /^\s*[=+\-@\uff1d\uff0b\uff0d\uff20]|^[\t\r\n]/.test(text)) {
      text = `'${text}`;
    }
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  const lines = [columns.map(({ name }) => name).join(",")];
  for (const turn of rows) lines.push(columns.map((column) => cell(column, turn)).join(","));
  return lines.join("\r\n") + "\r\n";
}

/** Rows as a Markdown table, in which nothing but the table is Markdown, HTML or mathematics. */
export function toMarkdown(/** @type {any[]} */ rows, /** @type {Column[]} */ columns) {
  const plain = (/** @type {string} */ text) =>
    text
      .replace(/[\\`*_[\]|$~]/g, "\\$&")
      .replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;")
      .replace(/\s+/g, " ");
  const row = (/** @type {string[]} */ cells) => `| ${cells.join(" | ")} |`;
  const lines = [
    row(columns.map(({ name }) => plain(name))),
    row(columns.map(({ kind }) => (kind === "number" ? "---:" : "---"))),
  ];
  for (const turn of rows) lines.push(row(columns.map((column) => plain(cellText(column, turn)))));
  return lines.join("\n") + "\n";
}

/** The rows of a height that stand in a window, with some around it. */
export function windowOf(/** @type {number} */ top_px, /** @type {number} */ height_px, /** @type {number} */ row_px, /** @type {number} */ n) {
  const around = 10;
  const first = Math.min(Math.max(0, Math.floor(top_px / row_px) - around), Math.max(0, n - around));
  const last = Math.min(n, Math.ceil((top_px + height_px) / row_px) + around);
  return { first, last: Math.max(first, last) };
}
