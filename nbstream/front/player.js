// player.js: plays a stretch of a session and moves the cursor along. Where the sound comes from is
// behind one interface: slices that the kernel is asked for, or an <audio> element of the page.

import { int16 } from "./pyramid.js";

export const PIECE_S = 4; // asked for at once: 128 KB
const AHEAD_S = 8; // that is there before it is heard
const KEPT = 16; // pieces, for what is heard again
const START_S = 0.04; // until the first sample: what is scheduled for now would come too late
const NEAR_S = 0.01; // so near to an end is there
export const RATES = [0.5, 0.75, 1, 1.25, 1.5, 2];

/**
 * @typedef {{
 *   play: (start_s: number, end_s: number, rate: number) => void, halt: () => void,
 *   at: () => number, isWaiting: () => boolean, isOver: () => boolean,
 *   onChange: () => void, problem: string,
 * }} Output plays [start_s, end_s) of the session until it is over or halted; says with `onChange`
 *   that it waits, goes on, is over or has failed
 */

/** Numbers of the pieces that hold a stretch. */
export function piecesOf(/** @type {number} */ start_s, /** @type {number} */ end_s) {
  const found = [];
  for (let n = Math.floor(start_s / PIECE_S + 1e-9); n * PIECE_S < end_s - 1e-9; n++) found.push(n);
  return found;
}

/** The rate that follows, slower or faster. */
export function nextRate(/** @type {number} */ rate, /** @type {number} */ step) {
  const at = RATES.indexOf(rate) + step;
  return RATES[Math.min(Math.max(at, 0), RATES.length - 1)];
}

/** Plays a store's session. One for all views of it. */
export class Player {
  /** @param {import("./store.js").Store} store @param {Output | null} output */
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
    this.at_s = Math.min(/** @type {Output} */ (this._output).at(), this.end_s);
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
    if (this.is_playing) this.play(/** @type {Output} */ (this._output).at(), this.end_s);
    else this._say();
  }

  /** Be told when it begins, waits or stops. @param {() => void} f @returns {() => void} the end */
  on(f) {
    this._listeners.add(f);
    return () => this._listeners.delete(f);
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

  _use(/** @type {Output | null} */ output) {
    this.pause();
    this._output = output;
    if (output) output.onChange = () => this._heard();
  }

  /** Once a frame while it plays; nothing runs when it does not. */
  _move() {
    this._frame = 0;
    if (!this.is_playing) return;
    this.at_s = /** @type {Output} */ (this._output).at();
    this.store.point(this.at_s);
    this._frame = requestAnimationFrame(() => this._move());
  }

  _heard() {
    const output = /** @type {Output} */ (this._output);
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
      const n = piecesOf(this._until_s, this._end_s)[0];
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
    if (waited || when_s < context.currentTime) { // it came late, and is heard from now on
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
