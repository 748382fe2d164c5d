// words.js: what a transcript is made of: the words of a turn, which of them are new, what is at a
// place. Pure.

export const DOUBTFUL = 0.6; // below: underlined on demand
export const GUESSED = 0.4; // below: underlined more strongly
const LARGEST = 40_000; // pairs of words that are compared one by one

/**
 * @typedef {{before: string, text: string, start_s: number | null, end_s: number | null,
 *   confidence: number | null}} Piece a word, and what stands between it and the one before
 */

/** Seconds as m:ss or h:mm:ss; nothing for null. */
export function timeText(/** @type {number | null} */ s) {
  if (s === null) return "";
  const whole = Math.floor(s);
  const two = (/** @type {number} */ n) => String(n).padStart(2, "0");
  const [h, m, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  return h ? `${h}:${two(m)}:${two(rest)}` : `${m}:${two(rest)}`;
}

/** Who speaks: as corrected, the label, the channel, or nobody. @param {any} turn */
export function speakerOf(turn) {
  if (turn.remarks?.speaker) return turn.remarks.speaker.text;
  if (turn.speaker) return turn.speaker;
  return turn.channel === null || turn.channel === undefined ? "" : String(turn.channel + 1);
}

/**
 * The words of a turn, in the spelling of its text. Times and confidence are those of its words;
 * where these have not come, times are guessed from the place in the text.
 * @param {any} turn @returns {Piece[]}
 */
export function pieces(turn) {
  const tokens = [...turn.text.matchAll(/\S+/g)];
  const words = turn.words ?? [];
  if (words.length !== tokens.length) {
    const found = placed(turn.text, words);
    if (found) return found;
  }
  const [start_s, length_s] = [turn.start_s, turn.end_s - turn.start_s];
  const at = (/** @type {number} */ place) =>
    start_s === null ? null : start_s + (length_s * place) / turn.text.length;
  const one_to_one = words.length === tokens.length;
  let end = 0;
  return tokens.map((token, i) => {
    const before = turn.text.slice(end, token.index);
    end = token.index + token[0].length;
    const [, from, to, confidence] = one_to_one ? words[i] : ["", at(token.index), at(end), null];
    return { before, text: token[0], start_s: from, end_s: to, confidence };
  });
}

/** Words found one behind the other in a text, as where there are no blanks; else null. */
function placed(/** @type {string} */ text, /** @type {any[]} */ words) {
  /** @type {Piece[]} */
  const found = [];
  let end = 0;
  for (const [word, start_s, end_s, confidence] of words) {
    const at = text.indexOf(word, end);
    if (at < 0 || !word) return null;
    found.push({ before: text.slice(end, at), text: word, start_s, end_s, confidence });
    end = at + word.length;
  }
  if (!found.length) return null;
  found[found.length - 1].text += text.slice(end); // a full stop that is no word
  return found;
}

/** A word without case and punctuation: what stays when a text is formatted. */
function spoken(/** @type {string} */ word) {
  return word.toLowerCase().replace(/[^\p{L}\p{N}\p{M}]/gu, "") || word;
}

/**
 * How the words of a text follow from those of the one before.
 * @param {string[]} old @param {string[]} fresh
 * @returns {{from: number, changed: boolean}[]} for each fresh word the old one that it is, or -1;
 *   changed if it stands for others, not if it is only behind them
 */
export function compare(old, fresh) {
  const [a, b] = [old.map(spoken), fresh.map(spoken)];
  const from = new Array(b.length).fill(-1);
  let [head, a_end, b_end] = [0, a.length, b.length];
  while (head < a_end && head < b_end && a[head] === b[head]) from[head] = head++;
  while (a_end > head && b_end > head && a[a_end - 1] === b[b_end - 1]) from[--b_end] = --a_end;
  if ((a_end - head) * (b_end - head) <= LARGEST) common(a, b, head, a_end, b_end, from);
  const last = from.findLastIndex((i) => i >= 0);
  const grown = last + a.length - (from[last] ?? -1); // behind it the text has only grown
  return from.map((i, at) => ({ from: i, changed: i < 0 && at < grown }));
}

/** The longest common subsequence of a[head..a_end] and b[head..b_end], written into `from`. */
function common(a, b, head, a_end, b_end, from) {
  const [n, m] = [a_end - head, b_end - head];
  const best = new Uint16Array((n + 1) * (m + 1));
  for (let i = n - 1; i >= 0; i--) {
    for (let j = m - 1; j >= 0; j--) {
      best[i * (m + 1) + j] =
        a[head + i] === b[head + j]
          ? best[(i + 1) * (m + 1) + j + 1] + 1
          : Math.max(best[(i + 1) * (m + 1) + j], best[i * (m + 1) + j + 1]);
    }
  }
  for (let i = 0, j = 0; i < n && j < m; ) {
    if (a[head + i] === b[head + j]) from[head + j++] = head + i++;
    else if (best[(i + 1) * (m + 1) + j] >= best[i * (m + 1) + j + 1]) i++;
    else j++;
  }
}

/**
 * Number of the turn that is heard at a place, of several the one that began last; -1 for none.
 * @param {any[]} turns in order of their start
 */
export function turnAt(turns, /** @type {number | null} */ at_s) {
  if (at_s === null) return -1;
  let [low, high] = [0, turns.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((turns[middle].start_s ?? Infinity) <= at_s) low = middle + 1;
    else high = middle;
  }
  // Speech that runs over later turns is short; a place between two turns belongs to none.
  for (let i = low - 1; i >= Math.max(0, low - 8); i--) {
    if (at_s < turns[i].end_s || at_s === turns[i].start_s) return i;
  }
  return -1;
}

/**
 * Point at a place in a turn and see to it that it can be seen well: a range that shows it already
 * is left alone, if the turn is not lost in it.
 * @param {any} store @param {any} turn
 */
export function lookAt(store, turn, at_s = turn.start_s) {
  if (turn.start_s === null) return;
  store.point(at_s ?? turn.start_s);
  const { start_s, end_s } = turn;
  const shown = store.range;
  const length_s = Math.max(end_s - start_s, 5);
  const is_seen =
    shown && shown.start_s <= start_s && end_s <= shown.end_s &&
    shown.end_s - shown.start_s <= 12 * length_s;
  if (is_seen) return;
  const around_s = Math.max(1.5 * (end_s - start_s), 10);
  const from_s = Math.max(0, (start_s + end_s - around_s) / 2);
  store.look({ start_s: from_s, end_s: from_s + around_s });
}
