// store.js: one session as a page knows it, wherever it comes from: a running recorder, an opened
// folder, a replay, or a file without a kernel. Views read it and listen; feeders change it.

import { Pyramid } from "./pyramid.js";
import { NOTHING_SAID, remarksOf, spansOf } from "./remarks.js";

/**
 * @typedef {[string, number, number, number]} Word text, start_s, end_s, confidence
 * @typedef {{key: string, connection: number, turn: number, channel: number | null,
 *   speaker: string | null, start_s: number | null, end_s: number | null, text: string,
 *   n_words: number, confidence: number | null, arrived_s: number | null, is_final: boolean,
 *   words: Word[] | null, remarks: import("./remarks.js").Remarks}} Turn words are null where they
 *   have not been sent
 * @typedef {{start_s: number, end_s: number, kind: string, cause: string,
 *   channel: number | null}} Gap kind: gap, overflow, pause; a channel where it is of one alone
 * @typedef {{at_s: number, text: string}} Mark
 * @typedef {{name: string, folder: string, state: string, is_live: boolean, duration_s: number,
 *   speakers: string[]}} Head
 * @typedef {"head" | "turns" | "sound" | "range" | "cursor" | "chosen"} Kind what has changed
 */

/** What identifies a turn. @param {{connection: number, turn: number}} row */
export function keyOf(row) {
  return `${row.connection}.${row.turn}`;
}

/** Where a turn stands among others: by its start, those without words at the end. */
export function inOrder(/** @type {Turn} */ a, /** @type {Turn} */ b) {
  const at = (/** @type {Turn} */ turn) => turn.start_s ?? Infinity;
  return at(a) === at(b) ? a.connection - b.connection || a.turn - b.turn : at(a) < at(b) ? -1 : 1;
}

/** Length of a turn in s; 0 without words. */
function lasts(/** @type {Turn} */ turn) {
  return turn.start_s === null || turn.end_s === null ? 0 : turn.end_s - turn.start_s;
}

export class Store {
  constructor() {
    /** @type {Head} */
    this.head = {
      name: "", folder: "", state: "idle", is_live: false, duration_s: 0, speakers: [],
    };
    /** @type {Turn[]} in order of audio */
    this.turns = [];
    /** @type {Map<string, Turn>} */
    this.byKey = new Map();
    /** @type {Gap[]} */
    this.gaps = [];
    /** @type {Mark[]} */
    this.marks = [];
    /** @type {Map<string, import("./remarks.js").Annotation>} by id, in the order they were made */
    this.annotations = new Map();
    /** @type {[string, string][]} the label set: name, colour */
    this.labels = [];
    /** @type {Map<string, import("./remarks.js").Remarks>} what is said about turns, by their key */
    this.remarks = new Map();
    /** @type {import("./remarks.js").NotedSpan[]} what is said about anything else, in order */
    this.spans = [];
    this.sound = new Pyramid();
    /** What is looked at, in s of audio; null follows the end of a live session. */
    this.range = /** @type {{start_s: number, end_s: number} | null} */ (null);
    /** The place that is pointed at, or played; null for none. */
    this.cursor_s = /** @type {number | null} */ (null);
    /** Whether the cursor is where it is being played: then a pointer leaves it alone. */
    this.is_playing = false;
    /** The turn, or the span, that is being worked on; "" for none. */
    this.chosen = "";
    /** Which turns are shown in transcript and table; null for all. */
    this.only = /** @type {((turn: Turn) => boolean) | null} */ (null);
    /** Length of the longest turn, in s. */
    this.longest_s = 0;
    this.seq = -1;
    /** Asks the other side: `tiles`, `words`, `all`. Replaced by a feeder that can answer. */
    this.ask = (/** @type {Record<string, any>} */ _) => {};
    /** @type {Set<(changed: Set<Kind>) => void>} */
    this._listeners = new Set();
    /** @type {Set<Kind>} */
    this._changed = new Set();
    this._frame = 0;
  }

  /** Everything anew. @param {any} state as `view.py` makes it */
  load(state) {
    const is_same = state.head.folder === this.head.folder;
    this.seq = state.seq;
    this.head = state.head;
    this.turns = state.turns.map((/** @type {any} */ row) => this._made(row));
    this.turns.sort(inOrder);
    this.byKey = new Map(this.turns.map((turn) => [turn.key, turn]));
    this.longest_s = this.turns.reduce((longest_s, turn) => Math.max(longest_s, lasts(turn)), 0);
    this.gaps = state.gaps;
    this.marks = state.marks;
    this.annotations = new Map();
    this._note(state);
    this.sound = new Pyramid(state.sound);
    if (!is_same) [this.range, this.cursor_s, this.chosen] = [null, null, ""];
    this._say("head", "turns", "sound", "range", "cursor", "chosen");
  }

  /**
   * What is new since the message before. One that is missing, or of another session, makes this
   * ask for everything.
   * @param {any} delta as `view.py` makes it
   */
  apply(delta) {
    if (delta.seq <= this.seq) return; // it is in what was loaded
    if (delta.seq !== this.seq + 1) {
      this.ask({ kind: "all" });
      return;
    }
    this.seq = delta.seq;
    this.head = delta.head;
    this._say("head");
    if (delta.turns || delta.gone) {
      for (const key of delta.gone ?? []) this._remove(key);
      for (const row of delta.turns ?? []) this._put(this._made(row));
      this._say("turns");
    }
    if (delta.annotations || delta.unannotated || delta.labels) {
      this._note(delta);
      this._say("turns", "sound");
    }
    if (delta.gaps) this.gaps = delta.gaps;
    if (delta.marks) this.marks = delta.marks;
    if (delta.sound) this.sound.take(delta.sound);
    if (delta.gaps || delta.marks || delta.sound) this._say("sound");
  }

  /** Tiles of the pyramid that were asked for. @param {any[]} tiles */
  takeTiles(tiles) {
    for (const { level, first, columns } of tiles) this.sound.put(level, first, columns);
    this._say("sound");
  }

  /** Words that were asked for. @param {Record<string, Word[]>} words by key of the turn */
  takeWords(words) {
    for (const [key, list] of Object.entries(words)) {
      const turn = this.byKey.get(key);
      if (turn) turn.words = list;
    }
    this._say("turns");
  }

  /** Look at a stretch; null follows the end. */
  look(/** @type {{start_s: number, end_s: number} | null} */ range) {
    this.range = range;
    this._say("range");
  }

  /** Point at a place. */
  point(/** @type {number | null} */ at_s) {
    if (at_s === this.cursor_s) return;
    this.cursor_s = at_s;
    this._say("cursor");
  }

  /** Point with a hand, which is left alone while something plays. */
  hover(/** @type {number | null} */ at_s) {
    if (!this.is_playing) this.point(at_s);
  }

  /** Work on a turn, or a span. */
  choose(/** @type {string} */ key) {
    if (key === this.chosen) return;
    this.chosen = key;
    this._say("chosen");
  }

  /** Show some turns, or all, in transcript and table. */
  show(/** @type {((turn: Turn) => boolean) | null} */ only) {
    this.only = only;
    this._say("turns");
  }

  /** Turns that are to be shown. @returns {Turn[]} */
  get listed() {
    return this.only ? this.turns.filter(this.only) : this.turns;
  }

  /** Turns that touch a stretch. @returns {Turn[]} */
  turnsIn(/** @type {number} */ start_s, /** @type {number} */ end_s) {
    let from = this.firstAfter(start_s - this.longest_s);
    const found = [];
    for (; from < this.turns.length; from++) {
      const turn = this.turns[from];
      if (turn.start_s === null || turn.start_s >= end_s) break;
      if (/** @type {number} */ (turn.end_s) > start_s) found.push(turn);
    }
    return found;
  }

  /** Number of the first turn that starts at `at_s` or later. */
  firstAfter(/** @type {number} */ at_s) {
    let [low, high] = [0, this.turns.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.turns[middle].start_s ?? Infinity) < at_s) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /**
   * Be told what has changed, once a frame. @returns {() => void} the end of that
   * @param {(changed: Set<Kind>) => void} listener
   */
  on(listener) {
    this._listeners.add(listener);
    return () => this._listeners.delete(listener);
  }

  /** @returns {Turn} */
  _made(/** @type {any} */ row) {
    const key = keyOf(row);
    return { ...row, key, remarks: this.remarks.get(key) ?? NOTHING_SAID };
  }

  /** Take in what is said about the session. */
  _note(/** @type {any} */ { annotations = [], unannotated = [], labels = this.labels }) {
    for (const id of unannotated) this.annotations.delete(id);
    for (const one of annotations) {
      this.annotations.delete(one.id); // what was changed last goes last
      this.annotations.set(one.id, one);
    }
    this.labels = labels;
    const all = [...this.annotations.values()];
    this.remarks = remarksOf(all, labels);
    this.spans = spansOf(all, labels);
    for (const turn of this.turns) turn.remarks = this.remarks.get(turn.key) ?? NOTHING_SAID;
  }

  _put(/** @type {Turn} */ turn) {
    this.longest_s = Math.max(this.longest_s, lasts(turn));
    const old = this.byKey.get(turn.key);
    if (old && old.start_s === turn.start_s) {
      Object.assign(old, turn);
      return;
    }
    if (old) this._remove(turn.key);
    this.byKey.set(turn.key, turn);
    let at = this.turns.length; // nearly always the end
    while (at > 0 && inOrder(this.turns[at - 1], turn) > 0) at--;
    this.turns.splice(at, 0, turn);
  }

  _remove(/** @type {string} */ key) {
    const old = this.byKey.get(key);
    if (!old) return;
    this.byKey.delete(key);
    this.turns.splice(this.turns.indexOf(old), 1);
  }

  _say(/** @type {Kind[]} */ ...kinds) {
    for (const kind of kinds) this._changed.add(kind);
    this._frame ||= soon(() => {
      this._frame = 0;
      const changed = this._changed;
      this._changed = new Set();
      for (const listener of [...this._listeners]) listener(changed);
    });
  }
}

/** The next frame; in tests without a page, as soon as possible. */
function soon(/** @type {() => void} */ f) {
  return globalThis.requestAnimationFrame ? requestAnimationFrame(f) : Number(setTimeout(f, 0));
}
