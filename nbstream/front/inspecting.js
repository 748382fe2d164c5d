// inspecting.js: which key does what in an inspector, and where it leads. Pure.

import { spanName } from "./spans.js";
import { speakerOf, timeText } from "./words.js";

export const SHORT_HELP =
  "Space play \u00b7 \u2190 \u2192 turn (Shift: hear) \u00b7 1\u20139 label \u00b7 Enter correct \u00b7 N next unlabelled \u00b7 ? all keys";
export const WAVE_HELP =
  "\u2190 \u2192 move, + \u2212 zoom, 0 all; click plays, drag moves, Shift+drag or Alt+drag makes a span";

/** @type {[string[], string][]} keys, what they do */
export const HELP_KEYS = [
  [["Space"], "play, pause"],
  [["Shift+Space"], "hear the turn again"],
  [["\u2190", "\u2192", "K", "J"], "turn before, behind; with Shift, hear it"],
  [[",", "."], "hear the word before, behind"],
  [["<", ">"], "slower, faster"],
  [["1", "\u2026", "9"], "give the turn a label, or take it away"],
  [["L"], "new label"],
  [["Enter"], "correct the text"],
  [["S"], "correct the speaker"],
  [["M"], "note on the turn"],
  [["H"], "mark this moment"],
  [["N"], "next turn without a label"],
  [["U"], "show only turns without one"],
  [["X"], "begin a span here, end it here"],
  [["[", "]"], "move its start; with Shift, its end"],
  [["Delete"], "remove the span"],
  [["Ctrl+Z", "Ctrl+Shift+Z"], "undo, redo"],
];

/** @type {Record<string, string>} */
const KEYS = {
  " ": "play", ArrowLeft: "previous", ArrowRight: "next", k: "previous", j: "next",
  ",": "wordBefore", ".": "wordBehind", "<": "slower", ">": "faster",
  Enter: "correct", s: "speaker", m: "note", n: "unlabelled", u: "only", l: "newLabel", h: "mark",
  x: "span", "[": "startEarlier", "]": "startLater", "{": "endEarlier", "}": "endLater",
  Delete: "remove", Backspace: "remove", "?": "help",
};
const EDITS = new Set([
  "label", "correct", "speaker", "note", "newLabel", "mark", "span", "remove", "undo", "redo",
  "startEarlier", "startLater", "endEarlier", "endLater",
]);
const OF_SOUND = new Set(["ArrowLeft", "ArrowRight"]); // the sound moves with these itself

/**
 * What a key does; null where it is somebody else's.
 * @param {KeyboardEvent} event @param {boolean} is_begun whether there is something to leave
 * @param {boolean} canEdit @returns {string | null}
 */
export function inspectorKey(event, is_begun, canEdit) {
  const act = anyKey(event, is_begun);
  return act && (canEdit || !EDITS.has(act)) ? act : null;
}

/** @returns {string | null} */
function anyKey(/** @type {KeyboardEvent} */ event, /** @type {boolean} */ is_begun) {
  const { key, ctrlKey, metaKey, altKey, shiftKey, defaultPrevented, isComposing } = event;
  const target = /** @type {HTMLElement} */ (event.target);
  if (defaultPrevented || isComposing || target.closest("input:not([type=checkbox]), textarea, select")) return null;
  const lower = key.length === 1 ? key.toLowerCase() : key;
  if (ctrlKey || metaKey) {
    if (altKey) return null;
    if (lower === "z") return shiftKey ? "redo" : "undo";
    return lower === "y" && !shiftKey ? "redo" : null;
  }
  if (altKey) return null;
  const presses = target.closest("button:not(.nbs-at), summary, input");
  if (presses && (key === " " || key === "Enter")) return null;
  if (target.closest(".nbs-detail") && !target.closest(".nbs-span") && OF_SOUND.has(key)) return null;
  if (/^[1-9]$/.test(key)) return "label";
  if (key === "Escape") return is_begun ? "leave" : null;
  if (key === " " && shiftKey) return "again";
  return KEYS[lower] ?? null;
}

/**
 * The turn so many further than the one that is chosen, else than the cursor; null if there is none.
 * @param {any[]} turns @param {string} chosen @param {number | null} at_s @param {number} by
 * @param {boolean} around whether the first follows the last
 */
export function stepIn(turns, chosen, at_s, by, around = false) {
  const timed = turns.filter(({ start_s }) => start_s !== null);
  if (!timed.length) return null;
  let here = timed.findIndex(({ key }) => key === chosen);
  if (here < 0) {
    const next = timed.findIndex(({ start_s }) => start_s >= (at_s ?? 0));
    here = (next < 0 ? timed.length : next) - (by > 0 ? 1 : 0);
  }
  const to = here + by;
  const last = timed.length - 1;
  return timed[around ? (to + timed.length) % timed.length : Math.min(Math.max(0, to), last)];
}

/** What is chosen, in words. @param {import("./store.js").Store} store @param {any} target */
export function placeText(store, target) {
  if (!store.byKey.has(target.key)) return spanName(target);
  const n = store.turns.indexOf(target) + 1;
  const where = `Turn ${n.toLocaleString("en")} of ${store.turns.length.toLocaleString("en")}`;
  return [where, timeText(target.start_s), speakerOf(target)].filter(Boolean).join(" \u00b7 ");
}
