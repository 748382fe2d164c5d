// span.js: what stretch of a session is looked at, and how it is measured. Pure.

import { timeText } from "./words.js";

/** @typedef {{start_s: number, end_s: number}} Span */

export const LIVE_S = 30; // what is shown of a session that is followed
const WHOLE_S = 60; // an opened session up to here is shown whole
const SHORTEST_S = 0.5;
const STEPS_S = [
  0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400,
];
const LENGTHS_S = [60, 120, 300, 600, 1200, 1800, 2700, 3600, 5400, 7200]; // then whole hours

/** The last seconds: filled from the left at first, then rolling. @returns {Span} */
export function following(/** @type {number} */ end_s) {
  const start_s = Math.max(0, end_s - LIVE_S);
  return { start_s, end_s: start_s + LIVE_S };
}

/** What is shown of an opened session at first. @returns {Span} */
export function opening(/** @type {number} */ end_s) {
  if (!end_s) return following(0); // as it will be when something is recorded
  return { start_s: 0, end_s: end_s > WHOLE_S ? LIVE_S : Math.max(end_s, SHORTEST_S) };
}

/** A stretch kept within the recording, as long as it was if that can be. @returns {Span} */
export function within(/** @type {Span} */ { start_s, end_s }, /** @type {number} */ all_s) {
  const longest_s = Math.max(all_s, SHORTEST_S);
  const length_s = Math.min(Math.max(end_s - start_s, SHORTEST_S), longest_s);
  const from_s = Math.min(Math.max(0, start_s), Math.max(0, all_s - length_s));
  return { start_s: from_s, end_s: from_s + length_s };
}

/**
 * So many times as long, with `at_s` where it was. @returns {Span}
 * @param {Span} span @param {number} factor @param {number} at_s @param {number} all_s
 */
export function zoomed({ start_s, end_s }, factor, at_s, all_s) {
  const length_s = end_s - start_s;
  const longest_s = Math.max(all_s, SHORTEST_S);
  const new_s = Math.min(Math.max(length_s * factor, SHORTEST_S), longest_s);
  const from_s = at_s - ((at_s - start_s) * new_s) / length_s;
  return within({ start_s: from_s, end_s: from_s + new_s }, all_s);
}

/** Moved along. @param {Span} span @param {number} by_s @param {number} all_s @returns {Span} */
export function moved({ start_s, end_s }, by_s, all_s) {
  return within({ start_s: start_s + by_s, end_s: end_s + by_s }, all_s);
}

/** A turn with some room around it. @param {any} turn @param {number} all_s @returns {Span} */
export function around(turn, all_s) {
  const room_s = Math.max(0.3, 0.1 * (turn.end_s - turn.start_s));
  return within({ start_s: turn.start_s - room_s, end_s: turn.end_s + room_s }, all_s);
}

/** How far the overview reaches: while it grows, in steps, so that it stands still in between. */
export function overviewEnd(/** @type {number} */ end_s, /** @type {boolean} */ is_live) {
  if (end_s && !is_live) return Math.max(end_s, SHORTEST_S);
  return LENGTHS_S.find((length_s) => length_s >= end_s) ?? 3600 * Math.ceil(end_s / 3600);
}

/** Time between labels that are at least so far apart. */
export function tickStep(/** @type {number} */ px_per_s, /** @type {number} */ apart_px) {
  return STEPS_S.find((step_s) => step_s * px_per_s >= apart_px) ?? 28_800;
}

/** Times to label; counted, so that they do not drift. @param {Span} span @param {number} step_s */
export function tickTimes({ start_s, end_s }, step_s) {
  const found = [];
  for (let i = Math.ceil(start_s / step_s - 1e-9); i * step_s < end_s; i++) found.push(i * step_s);
  return found;
}

/** A time as its label says it: with decimals where labels stand closer than a second. */
export function tickText(/** @type {number} */ at_s, /** @type {number} */ step_s) {
  if (step_s >= 1) return timeText(at_s + 1e-6);
  const n_digits = step_s < 0.1 ? 2 : 1;
  const rounded = Number(at_s.toFixed(n_digits));
  const decimals = (rounded - Math.floor(rounded)).toFixed(n_digits).slice(1);
  return timeText(rounded) + decimals;
}

/** Height of a sample, -1 to 1. Rounder than linear, so that quiet speech can be seen. */
export function height(/** @type {number} */ sample) {
  const x = sample / 32_768;
  return Math.sign(x) * Math.abs(x) ** 0.6;
}

/**
 * The turn that is heard in each pixel of a stretch, of one channel (null: of any). What it costs
 * depends on the pixels, not on the turns.
 * @param {import("./store.js").Store} store @param {Span} span @param {number} n_px
 * @param {number | null} channel @returns {(any | null)[]}
 */
export function owners(store, span, n_px, channel) {
  const px_s = (span.end_s - span.start_s) / n_px;
  const found = new Array(n_px).fill(null);
  for (let i = 0; i < n_px; i++) {
    const start_s = span.start_s + i * px_s;
    const next = store.firstAfter(start_s + px_s);
    for (let n = next - 1; n >= Math.max(0, next - 8); n--) {
      const turn = store.turns[n];
      if (!isOn(turn, channel)) continue;
      if (/** @type {number} */ (turn.end_s) > start_s) found[i] = turn;
      break;
    }
  }
  return found;
}

/** Whether a turn, a gap, is on a channel; where there is only one, everything is. */
export function isOn(/** @type {any} */ { channel }, /** @type {number | null} */ lane) {
  return lane === null || channel === null || channel === undefined || channel === lane;
}

/** What is shown, in words. @param {Span} span @param {number} all_s */
export function spanText({ start_s, end_s }, all_s) {
  const is_short = end_s - start_s < 10;
  const text = (/** @type {number} */ s) => (is_short ? tickText(s, 0.1) : timeText(Math.round(s)));
  return `${text(start_s)} to ${text(Math.min(end_s, Math.max(all_s, start_s)))} of ${timeText(all_s)}`;
}

/**
 * A turn's text around a place: before the word that is heard there, the word, behind it.
 * @param {import("./words.js").Piece[]} found @param {number} at_s @param {number} n words around it
 * @returns {[string, string, string]}
 */
export function wordsAround(found, at_s, n) {
  const next = found.findIndex(({ end_s }) => end_s !== null && at_s < end_s);
  const at = next < 0 ? found.length - 1 : next;
  const first = Math.max(0, Math.min(at - Math.floor(n / 2), found.length - n));
  const text = (/** @type {any[]} */ some) => some.map(({ before, text }) => before + text).join("");
  const heard = found[at];
  if (!heard) return ["", "", ""];
  const before = (first > 0 ? "\u2026 " : "") + text(found.slice(first, at)).trimStart() + heard.before;
  const behind = text(found.slice(at + 1, first + n)) + (first + n < found.length ? " \u2026" : "");
  return [before, heard.text, behind];
}
