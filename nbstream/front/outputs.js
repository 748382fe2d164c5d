// outputs.js: where the sound of a player comes from: slices that the kernel is asked for, or an
// <audio> element of the page.

import { int16 } from "./pyramid.js";

export const PIECE_S = 4; // asked for at once: 128 KB
const AHEAD_S = 8; // that is there before it is heard
const KEPT = 16; // pieces, for what is heard again
const START_S = 0.04; // until the first sample: what is scheduled for now would come too late

/**
 * @typedef {{
 *   play: (start_s: number, end_s: number, rate: number) => void, halt: () => void,
 *   at: () => number, isWaiting: () => boolean, isOver: () => boolean,
 *   onChange: () => void, problem: string,
 * }} Output plays [start_s, end_s) of the session until it is over or halted; says with `onChange`
 *   that it waits, goes on, is over or has failed
 */

/** Number of the piece that a place is in. */
export function pieceAt(/** @type {number} */ at_s) {
  return Math.floor(at_s / PIECE_S + 1e-9);
}

/** The element's own sound, from which a stretch is heard. @implements {Output} */
export class ElementOutput {
  constructor(/** @type {HTMLAudioElement} */ audio) {
    this.audio = audio;
    this.end_s = Infinity;
    this.problem = "";
    this.onChange = () => {};
    this._over = true;
    for (const name of ["waiting", "playing", "ended", "pause", "timeupdate", "error"]) {
      audio.addEventListener(name, () => this._look(name));
    }
  }

  play(/** @type {number} */ start_s, /** @type {number} */ end_s, /** @type {number} */ rate) {
    [this.end_s, this._over, this.problem] = [end_s, false, ""];
    this.audio.currentTime = start_s;
    this.audio.playbackRate = rate;
    this.audio.play().catch((error) => {
      if (error.name === "AbortError") return; // paused before it began
      this.problem = `The sound can't be played: ${error.message}`;
      this.onChange();
    });
    this._watch();
  }

  halt() {
    this._over = true;
    clearTimeout(this._timer);
    this.audio.pause();
  }

  at() {
    return this.audio.currentTime;
  }

  isWaiting() {
    return this.audio.readyState < 3 && !this.audio.ended;
  }

  isOver() {
    return this._over;
  }

  /** The element says only now and then where it is: look again when the end should be near. */
  _watch() {
    clearTimeout(this._timer);
    if (this._over || this.end_s === Infinity) return;
    const left_s = (this.end_s - this.at()) / this.audio.playbackRate;
    if (left_s <= 0.005) this._end();
    else this._timer = setTimeout(() => this._watch(), 1000 * Math.min(Math.max(left_s, 0.005), 0.25));
  }

  _look(/** @type {string} */ name) {
    if (this._over) return;
    if (name === "error") this.problem = "The sound of this page can't be read.";
    if (name === "ended" || (name === "pause" && this.audio.paused)) this._end();
    else if (name !== "timeupdate") this.onChange();
  }

  _end() {
    this._over = true;
    this.onChange();
  }
}

/**
 * Slices of the session, put one behind the other without a gap. @implements {Output}
 */
export class SliceOutput {
  /**
   * @param {(start_s: number, end_s: number) => Promise<{samples: Int16Array, rate_hz: number}>} fetch
   * @param {() => any} makeContext
   */
  constructor(fetch, makeContext = () => new AudioContext({ sampleRate: 16_000 })) {
    this._fetch = fetch;
    this._makeContext = makeContext;
    this.onChange = () => {};
    this.problem = "";
    this.n_bytes = 0; // that have come
    /** @type {Map<number, {samples: Int16Array, rate_hz: number}>} by number, the latest last */
    this._pieces = new Map();
    /** @type {Set<any>} what is scheduled */
    this._nodes = new Set();
    this._run = 0; // which play it is: answers to an earlier one come too late
    this._asked = -1;
    /** When in the context's time a place of the session is heard. */
    this._anchor = { context_s: 0, at_s: 0 };
    this._until_s = 0; // so far it is scheduled
    this._end_s = 0;
    this._rate = 1;
    this._over = true;
    this._waits = false;
  }

  play(/** @type {number} */ start_s, /** @type {number} */ end_s, /** @type {number} */ rate) {
    this.halt();
    this.problem = "";
    this.context ??= this._makeContext();
    this.context.resume();
    [this._until_s, this._end_s, this._rate] = [start_s, end_s, rate];
    this._anchor = { context_s: this.context.currentTime + START_S, at_s: start_s };
    [this._over, this._waits, this._asked] = [false, end_s > start_s + 1e-6, -1];
    this._run++;
    this._fill();
  }

  halt() {
    this._run++;
    this._over = true;
    this._waits = false;
    for (const node of this._nodes) {
      node.onended = null;
      node.stop();
    }
    this._nodes.clear();
    this.context?.suspend();
  }

  at() {
    if (this._waits) return this._until_s;
    const { context_s, at_s } = this._anchor;
    const late_s = this.context?.outputLatency || 0; // until it leaves the loudspeaker
    const now_s = at_s + (this.context.currentTime - context_s - late_s) * this._rate;
    return Math.min(Math.max(at_s, now_s), this._until_s);
  }

  isWaiting() {
    return this._waits;
  }

  isOver() {
    return this._over;
  }

  /** Schedule what is there, ask for what comes next. */
  _fill() {
    while (!this._over && this._until_s < this._end_s - 1e-6) {
      if (this._until_s - this.at() > AHEAD_S * this._rate) return;
      const n = pieceAt(this._until_s);
      const piece = this._pieces.get(n);
      if (!piece) return this._ask(n);
      this._schedule(n, piece);
    }
    if (!this._over && !this._nodes.size && !this._waits) this._finish();
  }

  _ask(/** @type {number} */ n) {
    if (this._asked === n) return;
    this._asked = n;
    const run = this._run;
    this._fetch(n * PIECE_S, (n + 1) * PIECE_S).then(
      (piece) => {
        this.n_bytes += piece.samples.byteLength;
        this._keep(n, piece);
        if (run !== this._run) return;
        this._asked = -1;
        this._fill();
      },
      (error) => {
        if (run !== this._run) return;
        this.problem = `The sound can't be had: ${error.message}`;
        this.onChange();
      },
    );
  }

  _keep(/** @type {number} */ n, /** @type {any} */ piece) {
    this._pieces.delete(n);
    this._pieces.set(n, piece);
    if (this._pieces.size > KEPT) this._pieces.delete(this._pieces.keys().next().value);
  }

  /** Put a piece behind what is scheduled. */
  _schedule(/** @type {number} */ n, /** @type {any} */ { samples, rate_hz }) {
    const waited = this._waits;
    if (samples.length < PIECE_S * rate_hz) { // the end of the recording, which may grow
      this._pieces.delete(n);
      this._end_s = Math.min(this._end_s, n * PIECE_S + samples.length / rate_hz);
    }
    const first = Math.round((this._until_s - n * PIECE_S) * rate_hz);
    const last = Math.round((this._end_s - n * PIECE_S) * rate_hz);
    const n_frames = Math.min(samples.length, last) - first;
    this._waits = false;
    if (n_frames <= 0) return;
    const { context } = this;
    const buffer = context.createBuffer(1, n_frames, rate_hz);
    const heard = samples.subarray(first, first + n_frames);
    buffer.copyToChannel(Float32Array.from(heard, (/** @type {number} */ x) => x / 32_768), 0);
    const node = context.createBufferSource();
    node.buffer = buffer;
    node.playbackRate.value = this._rate;
    node.connect(context.destination);
    const { context_s, at_s } = this._anchor;
    let when_s = context_s + (this._until_s - at_s) / this._rate;
    if (when_s < context.currentTime) { // it came late, and is heard from now on
      when_s = context.currentTime + START_S;
      this._anchor = { context_s: when_s, at_s: this._until_s };
    }
    node.start(when_s);
    node.onended = () => this._ended(node);
    this._nodes.add(node);
    this._until_s += n_frames / rate_hz;
    if (waited) this.onChange();
  }

  _ended(/** @type {any} */ node) {
    this._nodes.delete(node);
    const is_late = !this._nodes.size && this._until_s < this._end_s - 1e-6;
    if (is_late) this._waits = true;
    this._fill();
    if (is_late && this._waits) this.onChange();
  }

  _finish() {
    this._over = true;
    this.onChange();
  }
}

/**
 * Slices that a widget's kernel is asked for. @param {any} model
 * @returns {(start_s: number, end_s: number) => Promise<{samples: Int16Array, rate_hz: number}>}
 */
export function fetchFrom(model) {
  const me = Math.random().toString(36).slice(2);
  /** @type {Map<number, (piece: any) => void>} by start_s */
  const waiting = new Map();
  model.on("msg:custom", (/** @type {any} */ message, /** @type {any[]} */ buffers) => {
    if (message.kind !== "sound" || message.to !== me) return;
    const answer = waiting.get(message.start_s);
    waiting.delete(message.start_s);
    answer?.({ samples: int16(buffers[0]), rate_hz: message.rate_hz });
  });
  return (start_s, end_s) => new Promise((resolve) => {
    waiting.set(start_s, resolve);
    model.send({ kind: "sound", to: me, start_s, end_s, channel: null });
  });
}
