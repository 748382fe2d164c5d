// reading.js: a track's own samples, and when the browser had captured them.
//
// An AudioContext renders by the clock of the loudspeakers. Where that is the slower one, or is held up,
// Chromium keeps a tenth of a second of the microphone and drops the rest without a word. Who reads the
// track follows no other clock. Chromium and its like have that for sound; others do without.

import { PCM_RATE_HZ, Resampler } from "./pcm.js";

const MOST_PIECES = 18000; // of 10 ms or more: a page that is held up loses nothing for three minutes
const OUR_CLOCK_MS = 5000; // no older is a first piece; older Chromiums count from when the machine began
const BEHIND_MS = 150; // more than a device's times and a busy page may be
const DRAINS = 1.3; // times as fast as it is spoken: what waited is read
const DRAIN_MS = 1000;
const MOST_READS = 1000; // of which it is known when they were
const LATE_MS = 1; // a piece may be, and still not wake the page by itself
const STILL_MS = 300; // a device that gives nothing for so long, when the end is asked, gives no more

/** Whether pages can do that here; with a track, for that one: some read pictures only. @param {MediaStreamTrack | null} track @param {any} scope */
export function readsTracks(track = null, scope = globalThis) {
  if (!("MediaStreamTrackProcessor" in scope && "AudioData" in scope)) return false;
  try {
    return !track || Boolean(new scope.MediaStreamTrackProcessor({ track }));
  } catch {
    return false;
  }
}

/** As many of `planes`, a device's channels, as are wished for: all mixed into the first of them, or the first few. */
export function channelsOf(/** @type {Float32Array[]} */ planes, /** @type {number} */ nChannels) {
  if (nChannels > 1) return Array.from({ length: nChannels }, (_, i) => planes[i] ?? planes[0]);
  const [mono, ...others] = planes;
  for (const other of others) for (let i = 0; i < mono.length; i++) mono[i] += other[i];
  if (others.length) for (let i = 0; i < mono.length; i++) mono[i] /= planes.length;
  return [mono];
}

/** Pieces of sound, as a track gives them -> 16 kHz, and when the last of their samples was captured. */
export class Pieces {
  /** @param {number} nChannels */
  constructor(nChannels) {
    this.nChannels = nChannels;
    this.rate_hz = 0;
    /** @type {Resampler[]} */ this.resamplers = [];
    /** @type {Float32Array[]} */ this.planes = []; // a piece's channels; the next one has their place
    this.in_s = this.out_s = 0; // taken and given: the resamplers wait for what follows
    this.length_ms = 0; // of the last
    this.offset_ms = Infinity; // of the page's clock
    this.under_way_ms = Infinity; // of the quickest, to the page
    this.next_ms = 0; // when the next one can be there; long ago, where it waits
    /** @type {number[]} */ this.reads = []; // when the last ones were, back to one that is too old
  }

  /**
   * @param {any} data AudioData @param {number} now_ms of the page
   * @returns {{channels: Float32Array[], end_ms: number, said_ms: number}} when its last sample was captured, and what the browser says of that
   */
  take(data, now_ms) {
    this.length_ms = (data.numberOfFrames / data.sampleRate) * 1000;
    const said_ms = data.timestamp / 1000 + this.length_ms;
    if (this.reads.push(now_ms) > MOST_READS) this.reads.shift();
    if (!this.rate_hz && Math.abs(now_ms - said_ms) < OUR_CLOCK_MS) this.offset_ms = 0;
    if (this.offset_ms) this.offset_ms = Math.min(this.offset_ms, now_ms - said_ms);
    this.under_way_ms = Math.min(this.under_way_ms, now_ms - said_ms);
    let came_ms = said_ms + this.under_way_ms;
    this.next_ms = came_ms + this.length_ms;
    if (now_ms - came_ms > BEHIND_MS && !this.drains(now_ms)) came_ms = now_ms;
    const captured_ms = Math.min(now_ms, came_ms - this.under_way_ms + this.offset_ms);
    if (this.rate_hz !== data.sampleRate) {
      this.rate_hz = data.sampleRate;
      this.resamplers = Array.from({ length: this.nChannels }, () => new Resampler(this.rate_hz, PCM_RATE_HZ));
      this.in_s = this.out_s = 0;
    }
    const { numberOfChannels: n, numberOfFrames: nFrames } = data;
    if (this.planes.length !== n || this.planes[0].length !== nFrames) this.planes = Array.from({ length: n }, () => new Float32Array(nFrames));
    this.planes.forEach((plane, planeIndex) => data.copyTo(plane, { planeIndex, format: "f32-planar" }));
    const channels = channelsOf(this.planes, this.nChannels).map((plane, c) => this.resamplers[c].take(plane));
    this.in_s += this.length_ms / 1000;
    this.out_s += channels[0].length / PCM_RATE_HZ;
    const waits_ms = (this.in_s - this.out_s) * 1000;
    return { channels, end_ms: captured_ms - waits_ms, said_ms: Math.min(now_ms, said_ms + this.offset_ms) - waits_ms };
  }

  /**
   * Whether what waited is read, for which its times are needed. Where a device has slept, Chromium's come behind and
   * catch up for seconds, but what comes as fast as it is spoken was captured just now. @param {number} now_ms
   */
  drains(now_ms) {
    while (this.reads[0] < now_ms - DRAIN_MS) this.reads.shift();
    return this.reads.length * this.length_ms > DRAINS * DRAIN_MS;
  }
}

/**
 * Read a track until its end, or until that is asked: what was captured by then still comes.
 * @param {MediaStreamTrack} track @param {number} nChannels
 * @param {{heard: (channels: Float32Array[], end_ms: number) => number, ended: () => void}} listener
 *   of 16 kHz, with when the last sample was captured, by `performance.now()`; gives for how many ms no more is needed
 * @returns {{end: () => void, close: () => void}} close: at once, and nothing more is told
 */
export function readTrack(track, nChannels, { heard, ended }) {
  const Processor = /** @type {any} */ (globalThis).MediaStreamTrackProcessor;
  const reader = new Processor({ track, maxBufferSize: MOST_PIECES }).readable.getReader();
  const pieces = new Pieces(nChannels);
  let until_ms = Infinity;
  let isClosed = false;
  /** @type {any} */ let still;
  const close = () => {
    isClosed = true;
    clearTimeout(still);
    reader.cancel().catch(() => {}); // of a track that has ended
  };
  const over = () => {
    if (isClosed) return;
    close();
    ended();
  };
  const wait = () => {
    clearTimeout(still);
    still = setTimeout(over, STILL_MS);
  };
  const take = (/** @type {any} */ data) => {
    const { channels, end_ms, said_ms } = pieces.take(data, performance.now());
    data.close();
    const enough_ms = heard(channels, end_ms);
    if (said_ms >= until_ms) over();
    else if (until_ms < Infinity) wait();
    return enough_ms;
  };
  // Who does not ask for each piece is not woken for it. Timers are slow in a page out of sight.
  async function sleep(/** @type {number} */ enough_ms) {
    const n = Math.ceil(enough_ms / pieces.length_ms);
    const there_ms = pieces.next_ms + (n - 1) * pieces.length_ms + LATE_MS - performance.now();
    const isWorthIt = n > 1 && there_ms > 0 && until_ms === Infinity && !document.hidden;
    if (isWorthIt) await new Promise((done) => { setTimeout(done, there_ms); });
    return isWorthIt ? n : 1; // pieces are there
  }
  async function read() {
    for (let n = 1; !isClosed;) {
      let enough_ms = 0;
      for (const one of Array.from({ length: n }, () => reader.read())) {
        const { value: data, done } = await one;
        if (done) return over();
        if (isClosed) data.close();
        else enough_ms = take(data);
      }
      n = await sleep(enough_ms);
    }
  }
  read().catch((error) => { over(); throw error; });
  return {
    end: () => {
      until_ms = performance.now();
      wait();
    },
    close,
  };
}
