// keeping.js: chunks that were captured: when, which number they have, and which the kernel has not.

const FRAME_HEADER_BYTES = 16;
const WINDOW = 40; // chunks, 2 s: a page that was held up has come to itself by then
const JUMP_MS = 100; // browsers hold about as much back before they drop any
const MOST_DRIFT = 5e-4; // of a sound device's clock

/** For "frames lost", of a page's first chunk: nobody has captured since the one before it. */
export const AWAY = 0xffffffff;

/** The page's clock, which goes on over a reload; ms. */
export const pageNow = () => performance.timeOrigin + performance.now();

/** A frame as it travels: number, frames lost before it, when its last sample was there, PCM. */
export function packed(/** @type {number} */ seq, /** @type {number} */ lost, /** @type {number} */ at_ms, /** @type {ArrayBuffer} */ pcm) {
  const bytes = new Uint8Array(FRAME_HEADER_BYTES + pcm.byteLength);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, seq, true);
  view.setUint32(4, lost, true);
  view.setFloat64(8, at_ms, true);
  bytes.set(new Uint8Array(pcm), FRAME_HEADER_BYTES);
  return bytes;
}

/**
 * When something that the wall clock says was, on the page's clock. Where there is no other clock, as
 * in a worklet; it may have been set since the page was loaded, not since then.
 * @param {number} wall_ms @param {{page_ms: number, wall_ms: number}} now both clocks
 */
export function onPageClock(wall_ms, now) {
  return now.page_ms - Math.max(0, now.wall_ms - wall_ms);
}

/**
 * When chunks were captured, on the page's clock, from when they were rendered: a computer is now and
 * then held up, so the quickest of late tells. If even the quickest is late, sound was lost.
 */
export class CaptureClock {
  constructor() {
    this.audio_ms = 0; // captured so far
    this.delay_ms = Infinity; // page clock less audio clock
    /** @type {number[]} */ this.recent = [];
  }

  /**
   * A chunk of `length_ms` was there at `rendered_ms`. @param {number} length_ms @param {number} rendered_ms
   * @returns {{at_ms: number, lost_ms: number}} when it ended, what was lost before it
   */
  heard(length_ms, rendered_ms) {
    this.audio_ms += length_ms;
    const delay = rendered_ms - this.audio_ms;
    this.recent.push(delay);
    if (this.recent.length > WINDOW) this.recent.shift();
    let lost_ms = 0;
    this.delay_ms = Math.min(this.delay_ms, delay);
    if (this.recent.length === WINDOW) {
      const late_ms = Math.min(...this.recent) - this.delay_ms;
      if (late_ms > JUMP_MS) lost_ms = late_ms;
      this.delay_ms += lost_ms || Math.min(late_ms / WINDOW, length_ms * MOST_DRIFT);
    }
    return { at_ms: this.audio_ms + this.delay_ms, lost_ms };
  }
}

/** Chunks by number until the kernel has them; the oldest go where there are too many. */
export class Keeper {
  /** @param {number} most chunks */
  constructor(most) {
    this.most = most;
    this.nextSeq = 0;
    this.sentSeq = 0; // the next to be sent on the line there is
    /** @type {{seq: number, at_ms: number, bytes: Uint8Array}[]} */ this.kept = [];
  }

  /** How full it is, 0 to 1. */
  get fill() {
    return this.kept.length / this.most;
  }

  /** Go on where this page was: the kernel waits for `next`. @param {{seq: number, at_ms: number, bytes: Uint8Array}[]} found @param {number} next */
  restore(found, next) {
    this.kept = found.filter(({ seq }) => seq >= next).map(({ seq, at_ms, bytes }) => ({ seq, at_ms, bytes }));
    this.nextSeq = Math.max(next, ...this.kept.slice(-1).map(({ seq }) => seq + 1));
  }

  /** @param {number} lost frames @param {number} at_ms @param {ArrayBuffer} pcm */
  add(lost, at_ms, pcm) {
    const seq = this.nextSeq++;
    this.kept.push({ seq, at_ms, bytes: packed(seq, lost, at_ms, pcm) });
    while (this.kept.length > this.most) this.drop();
  }

  /** What was lost before the oldest, is lost before the next one. */
  drop() {
    const [dropped, next] = [this.kept.shift(), this.kept[0]].map((one) => new DataView(/** @type {any} */ (one).bytes.buffer));
    const [lost, more] = [dropped.getUint32(4, true), next.getUint32(4, true)];
    next.setUint32(4, Math.max(lost, more) === AWAY ? AWAY : lost + more, true);
  }

  /** The kernel has everything before `seq`. @param {number} seq */
  acknowledge(seq) {
    let n = 0;
    while (n < this.kept.length && this.kept[n].seq < seq) n++;
    this.kept.splice(0, n);
  }

  /** A new line: the kernel waits for `seq`. @param {number} seq */
  rewind(seq) {
    this.acknowledge(seq);
    this.sentSeq = seq;
  }

  /** At most `n` that were not sent on this line, as sent now. @param {number} n */
  take(n) {
    const first = this.kept.length ? Math.max(0, this.sentSeq - this.kept[0].seq) : 0;
    const due = this.kept.slice(first, first + n);
    if (due.length) this.sentSeq = due[due.length - 1].seq + 1;
    return due.map(({ bytes }) => bytes);
  }
}
