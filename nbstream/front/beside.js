// beside.js: two sounds -> one with two channels, side by side as they were captured.

import { CaptureClock } from "./keeping.js";
import { PCM_RATE_HZ } from "./pcm.js";

const PER_MS = PCM_RATE_HZ / 1000;
const WAIT_MS = 1000; // for the second sound; then there is silence in its place
const APART_MS = 10; // so far it may be from its place before it is put there anew: where it is still,
const FAR_MS = 40; // or, where it never is, when it is so far
const STILL = 0.01; // of full scale: what is cut, or made longer, below this is not heard
const HOLE_MS = 50; // a clock that jumps by more: something is missing there
const MOST_REST = 60 * PCM_RATE_HZ; // samples of it, should the first sound not come

/** When the last of `samples` was captured, and the clock that says so, without its jitter. @param {CaptureClock} clock @param {Float32Array} samples @param {number} end_ms */
function timed(clock, samples, end_ms) {
  const length_ms = samples.length / PER_MS;
  const at_ms = clock.heard(length_ms, end_ms).at_ms;
  if (end_ms - at_ms < HOLE_MS) return { clock, at_ms };
  const anew = new CaptureClock();
  return { clock: anew, at_ms: anew.heard(length_ms, end_ms).at_ms };
}

const isStill = (/** @type {Float32Array} */ samples) => samples.every((value) => Math.abs(value) < STILL);

/** The first sound, whole, and the second where it belongs beside it. Both of 16 kHz. */
export class Beside {
  /** @param {(channels: Float32Array[], end_ms: number) => void} give */
  constructor(give) {
    this.give = give;
    this.clock = new CaptureClock();
    this.at_ms = NaN; // when its last sample was captured
    this.n = 0; // samples of it
    /** @type {{samples: Float32Array, end_ms: number, now_ms: number}[]} */ this.waiting = [];
    this.given = 0; // samples of the first
    this.leave();
  }

  /** Samples of the first, the last of them captured at `end_ms`. @param {Float32Array} samples @param {number} end_ms @param {number} now_ms */
  lead(samples, end_ms, now_ms) {
    const { clock, at_ms } = timed(this.clock, samples, end_ms);
    if (clock !== this.clock) { // What the second has beyond it was captured where the first has a hole.
      this.rest = this.rest.slice(0, this.n - this.given);
      this.isPlaced = false;
    }
    Object.assign(this, { clock, at_ms });
    this.n += samples.length;
    this.waiting.push({ samples, end_ms, now_ms });
    this.drain(now_ms);
  }

  /** Samples of the second. @param {Float32Array} samples @param {number} end_ms @param {number} now_ms */
  follow(samples, end_ms, now_ms) {
    const { clock, at_ms } = timed(this.itsClock, samples, end_ms);
    this.itsClock = clock;
    if (!this.n || this.rest.length > MOST_REST) return;
    const place = this.n + Math.round((at_ms - this.at_ms) * PER_MS) - samples.length;
    const next = this.given + this.rest.length; // where it would go on
    const apart_ms = Math.abs(place - next) / PER_MS;
    const goesOn = this.isPlaced && (apart_ms <= APART_MS || (apart_ms <= FAR_MS && !isStill(samples)));
    const gap = goesOn ? 0 : Math.min(place - next, MOST_REST);
    const kept = samples.subarray(Math.max(0, -gap));
    const joined = new Float32Array(this.rest.length + Math.max(0, gap) + kept.length);
    joined.set(this.rest);
    joined.set(kept, joined.length - kept.length);
    this.isThere = true;
    this.isPlaced = kept.length > 0;
    this.rest = joined;
    this.drain(now_ms);
  }

  /** The second is not there, or not any more: nobody waits for it. */
  leave() {
    this.itsClock = new CaptureClock();
    this.isThere = this.isPlaced = false;
    this.rest = new Float32Array(0); // of the second; its first sample belongs beside the next of the first
    this.drain(Infinity);
  }

  /** Give what has its other beside it, or waits for it no longer. @param {number} now_ms */
  drain(now_ms) {
    for (let first; (first = this.waiting[0]); this.waiting.shift()) {
      const n = first.samples.length;
      if (this.isThere && this.rest.length < n && now_ms - first.now_ms < WAIT_MS) return;
      const other = new Float32Array(n);
      other.set(this.rest.subarray(0, n));
      this.rest = this.rest.slice(n);
      this.given += n;
      this.give([first.samples, other], first.end_ms);
    }
  }
}
