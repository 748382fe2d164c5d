// pcm.js: sound as a device gives it -> 16 kHz int16 in chunks of 50 ms. Both classes also run in an
// audio worklet, to which they travel as text, so neither may use anything outside of itself.

export const PCM_RATE_HZ = 16000;
export const PCM_CHUNK_FRAMES = 800;

/**
 * Rate conversion by a windowed sinc, a set of weights for each place between two samples that
 * occurs. Flat up to 7 kHz, 80 dB down from 8 kHz on, where aliases would begin; no delay: sample k
 * that comes out belongs to the instant k / 16000 of what went in.
 */
export class Resampler {
  /** @param {number} fromHz @param {number} toHz at most `fromHz` */
  constructor(fromHz, toHz) {
    const gcd = (/** @type {number} */ a, /** @type {number} */ b) => (b ? gcd(b, a % b) : a);
    const common = gcd(fromHz, toHz);
    this.step = fromHz / common; // of the place, in phases, for each sample that comes out
    this.nPhases = toHz / common;
    const middle = (0.5 - 1 / 32) * (toHz / fromHz); // cycles a sample: between 7 and 8 kHz
    const beta = 7.86; // of the Kaiser window: 80 dB
    this.half = Math.ceil((80 - 7.95) / (14.36 * (toHz / fromHz / 16)) / 2);
    const bessel = (/** @type {number} */ x) => {
      let sum = 1;
      for (let k = 1, term = 1; term > sum * 1e-12; k++) sum += term *= (x / 2 / k) ** 2;
      return sum;
    };
    const window = (/** @type {number} */ at) =>
      Math.abs(at) >= 1 ? 0 : bessel(beta * Math.sqrt(1 - at * at)) / bessel(beta);
    this.weights = [];
    for (let phase = 0; phase < this.nPhases; phase++) {
      const row = new Float64Array(2 * this.half);
      let sum = 0;
      for (let i = 0; i < row.length; i++) {
        const x = i - this.half + 1 - phase / this.nPhases; // input samples from the place
        const sinc = x === 0 ? 2 * middle : Math.sin(2 * Math.PI * middle * x) / (Math.PI * x);
        sum += row[i] = sinc * window(x / this.half);
      }
      this.weights.push(row.map((weight) => weight / sum));
    }
    this.kept = new Float64Array(4 * this.half); // what is still needed, and room
    this.nKept = this.half - 1; // silence before the first sample
    this.place = 0; // of the next sample, in phases from the middle of `kept`'s beginning
  }

  /** The samples that can be known now. @param {Float32Array} samples @returns {Float32Array} */
  take(samples) {
    const { half, nPhases, step } = this;
    const length = this.nKept + samples.length;
    if (length > this.kept.length) {
      const room = new Float64Array(length);
      room.set(this.kept.subarray(0, this.nKept));
      this.kept = room;
    }
    const { kept } = this;
    kept.set(samples, this.nKept);
    const out = new Float32Array(Math.ceil((length * nPhases) / step));
    let n = 0;
    let first = Math.floor(this.place / nPhases);
    while (first + 2 * half <= length) {
      const row = this.weights[this.place % nPhases];
      let [one, other] = [0, 0]; // neither sum waits for the other
      for (let i = 0, at = first; i < half; i++, at++) {
        one += row[i] * kept[at];
        other += row[i + half] * kept[at + half];
      }
      out[n++] = one + other;
      this.place += step;
      first = Math.floor(this.place / nPhases);
    }
    const used = Math.min(first, length);
    kept.copyWithin(0, used, length);
    this.nKept = length - used;
    this.place -= used * nPhases;
    return out.subarray(0, n);
  }
}

/** Blocks of any length -> chunks of `nFrames`, channels interleaved. */
export class Cutter {
  /** @param {number} nChannels @param {number} nFrames */
  constructor(nChannels, nFrames) {
    this.nChannels = nChannels;
    this.nFrames = nFrames;
    this.chunk = new Int16Array(nFrames * nChannels);
    this.filled = 0; // frames
  }

  /** @param {Float32Array[]} channels of one length @param {(chunk: Int16Array, left: number) => void} give `left`: frames behind it */
  take(channels, give) {
    for (let i = 0; i < channels[0].length; i++) {
      for (let c = 0; c < this.nChannels; c++) {
        const whole = Math.round((channels[c] ?? channels[0])[i] * 32768);
        this.chunk[this.filled * this.nChannels + c] = Math.max(-32768, Math.min(32767, whole));
      }
      if (++this.filled === this.nFrames) this.flush(give, channels[0].length - 1 - i);
    }
  }

  /** Give what there is, if anything. @param {(chunk: Int16Array, left: number) => void} give */
  flush(give, left = 0) {
    if (!this.filled) return;
    const chunk = this.chunk.slice(0, this.filled * this.nChannels);
    this.filled = 0;
    give(chunk, left);
  }
}

/** Name of the processor in the worklet. */
export const TAP_NAME = "nbstream-tap";

/** The module of the worklet, as text. */
export function tapModule() {
  return `
  const Resampler = ${Resampler};
  const Cutter = ${Cutter};
  registerProcessor("${TAP_NAME}", class extends AudioWorkletProcessor {
  constructor(options) {
    super();
    const n = options.processorOptions.nChannels;
    this.cutter = new Cutter(n, ${PCM_CHUNK_FRAMES});
    this.resamplers = sampleRate === ${PCM_RATE_HZ} ? null
      : Array.from({ length: n }, () => new Resampler(sampleRate, ${PCM_RATE_HZ}));
    this.silence = Array.from({ length: n }, () => new Float32Array(128));
    this.begun = false;
    this.ended = false;
    this.give = (chunk) => this.port.postMessage({ pcm: chunk.buffer, wall_ms: Date.now() }, [chunk.buffer]); // the page may be held up
    this.port.onmessage = () => { // the end was asked
      this.cutter.flush(this.give);
      this.port.postMessage({ end: true });
      this.ended = true;
    };
  }
  process([input]) {
    if (this.ended) return false;
    if (!input.length && !this.begun) return true; // the device is not there yet
    this.begun = true;
    const block = input.length ? input : this.silence;
    this.cutter.take(this.resamplers ? this.resamplers.map((r, c) => r.take(block[c] ?? block[0])) : block, this.give);
    return true;
  }
});`;
}
