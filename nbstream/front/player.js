// player.js: plays a stretch of a session and moves the cursor along. Where the sound comes from is
// behind one interface: slices that the kernel is asked for, or an <audio> element of the page.

import { ElementOutput } from "./outputs.js";

const NEAR_S = 0.01; // so near to an end is there
export const RATES = [0.5, 0.75, 1, 1.25, 1.5, 2];

/** The rate that follows, slower or faster. */
export function nextRate(/** @type {number} */ rate, /** @type {number} */ step) {
  const at = RATES.indexOf(rate) + step;
  return RATES[Math.min(Math.max(at, 0), RATES.length - 1)];
}

/** Plays a store's session. One for all views of it. */
export class Player {
  /** @param {import("./store.js").Store} store @param {import("./outputs.js").Output | null} output */
  constructor(store, output = null) {
    this.store = store;
    this.is_playing = false;
    this.rate = 1;
    /** Where it is, or was when it stopped; null before it was ever used. */
    this.at_s = /** @type {number | null} */ (null);
    /** Where it will stop; Infinity at the end of the session. */
    this.end_s = Infinity;
    /** @type {Set<() => void>} */
    this._listeners = new Set();
    this._frame = 0;
    this._use(output);
  }

  /** Play from a page that has no kernel. @param {HTMLAudioElement} audio */
  useElement(audio) {
    this._use(new ElementOutput(audio));
  }

  get can_play() {
    return this._output !== null;
  }

  get is_waiting() {
    return this.is_playing && Boolean(this._output?.isWaiting());
  }

  /** What went wrong, in words; empty if nothing did. */
  get problem() {
    return this._output?.problem ?? "";
  }

  /** Play a stretch; to the end of the session without `end_s`. */
  play(/** @type {number} */ start_s, /** @type {number} */ end_s = Infinity) {
    if (!this._output) return;
    if (this.is_playing) this._output.halt();
    [this.at_s, this.end_s] = [Math.max(0, start_s), end_s];
    this.is_playing = this.store.is_playing = true;
    this._output.play(this.at_s, Math.min(end_s, this._length_s()), this.rate);
    this.store.point(this.at_s);
    this._frame ||= requestAnimationFrame(() => this._move());
    this._say();
  }

  pause() {
    if (!this.is_playing) return;
    this.at_s = Math.min(/** @type {import("./outputs.js").Output} */ (this._output).at(), this.end_s);
    this._stop();
  }

  /** Pause; or go on where it stopped, behind a stretch that was heard to its end, or at `from_s`. */
  toggle(/** @type {number | null} */ from_s = null) {
    if (this.is_playing) return this.pause();
    const at_s = from_s ?? this.at_s ?? 0;
    const is_between = from_s === null && at_s < this.end_s - NEAR_S;
    if (at_s >= this._length_s() - NEAR_S) this.play(0);
    else this.play(at_s, is_between ? this.end_s : Infinity);
  }

  setRate(/** @type {number} */ rate) {
    this.rate = rate;
    if (this.is_playing) this.play(/** @type {import("./outputs.js").Output} */ (this._output).at(), this.end_s);
    else this._say();
  }

  /**
   * Be told when it begins, waits or stops. @param {() => void} f @returns {() => void} the end of
   * that; the last one out turns it off
   */
  on(f) {
    this._listeners.add(f);
    return () => {
      this._listeners.delete(f);
      if (!this._listeners.size) this.pause();
    };
  }

  /** Stop for good. */
  close() {
    this.pause();
    this._listeners.clear();
  }

  /** A live session goes on while it is heard. */
  _length_s() {
    const { sound, head } = this.store;
    return Math.max(sound.end_s, head.duration_s);
  }

  _use(/** @type {import("./outputs.js").Output | null} */ output) {
    this.pause();
    this._output = output;
    if (output) output.onChange = () => this._heard();
  }

  /** Once a frame while it plays; nothing runs when it does not. */
  _move() {
    this._frame = 0;
    if (!this.is_playing) return;
    this.at_s = /** @type {import("./outputs.js").Output} */ (this._output).at();
    this.store.point(this.at_s);
    this._frame = requestAnimationFrame(() => this._move());
  }

  _heard() {
    const output = /** @type {import("./outputs.js").Output} */ (this._output);
    if (this.is_playing && (output.isOver() || output.problem)) {
      this.at_s = output.problem ? output.at() : Math.min(this.end_s, this._length_s());
      this._stop();
    } else this._say();
  }

  _stop() {
    this._output?.halt();
    this.is_playing = this.store.is_playing = false;
    cancelAnimationFrame(this._frame);
    this._frame = 0;
    this.store.point(this.at_s);
    this._say();
  }

  _say() {
    for (const f of [...this._listeners]) f();
  }
}
