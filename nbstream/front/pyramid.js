// pyramid.js: lowest and highest sample of columns of sound, at 10 ms, 80 ms, 640 ms and 5.12 s,
// so that any stretch is drawn from about as many columns as it has pixels.

export const COLUMN_S = 0.01;
export const FACTOR = 8;
export const N_LEVELS = 4;
export const TILE = 2048; // columns that are asked for at once
const GROWTH = 1.5;
const EDGE = 1e-6; // of a column: an edge that is rounded belongs where it was meant

/**
 * Little-endian int16 from the wire, in the machine's own order.
 * @param {DataView | ArrayBuffer | Uint8Array} bytes @returns {Int16Array}
 */
export function int16(bytes) {
  const view =
    bytes instanceof ArrayBuffer ? new DataView(bytes) :
    new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const samples = new Int16Array(view.byteLength >> 1);
  for (let i = 0; i < samples.length; i++) samples[i] = view.getInt16(2 * i, true);
  return samples;
}

/** One level: columns by number, and which of them are there. */
class Level {
  constructor(/** @type {number} */ width) {
    this.width = width; // int16 values a column: two for each channel
    this.data = new Int16Array(0);
    this.known = new Uint8Array(0);
  }

  put(/** @type {number} */ first, /** @type {Int16Array} */ values) {
    const n = values.length / this.width;
    if (first + n > this.known.length) this._grow(first + n);
    this.data.set(values, first * this.width);
    this.known.fill(1, first, first + n);
  }

  _grow(/** @type {number} */ n) {
    const size = Math.ceil(n * GROWTH);
    const [data, known] = [new Int16Array(size * this.width), new Uint8Array(size)];
    data.set(this.data);
    known.set(this.known);
    [this.data, this.known] = [data, known];
  }
}

/**
 * @typedef {{level: number, first: number, columns: DataView | ArrayBuffer | Uint8Array}} Part
 *   columns of a level from the number `first` on: for each, lowest and highest of each channel
 */

export class Pyramid {
  /** @param {{n_channels: number, n_columns: number, parts: Part[]}} [sound] */
  constructor(sound = { n_channels: 1, n_columns: 0, parts: [] }) {
    this.n_channels = sound.n_channels;
    this.n_columns = 0; // of the finest level
    this.levels = Array.from({ length: N_LEVELS }, () => new Level(2 * this.n_channels));
    this.take(sound);
  }

  /** Seconds of sound that are there. */
  get end_s() {
    return this.n_columns * COLUMN_S;
  }

  /** The recording has grown: the coarser columns over what has come follow by themselves. */
  take(/** @type {{n_columns: number, parts: Part[]}} */ { n_columns, parts }) {
    this.n_columns = Math.max(this.n_columns, n_columns);
    let from = Infinity;
    for (const { level, first, columns } of parts) {
      this.put(level, first, columns);
      from = Math.min(from, first * FACTOR ** level);
    }
    for (let level = 1; from < Infinity && level < N_LEVELS; level++) this._coarsen(level, from);
  }

  /** New columns of the finest level. @param {number} first @param {Part["columns"]} columns */
  append(first, columns) {
    const n_columns = first + columns.byteLength / (4 * this.n_channels);
    this.take({ n_columns, parts: [{ level: 0, first, columns }] });
  }

  /** Columns that were asked for. @param {number} level @param {number} first @param {any} columns */
  put(level, first, columns) {
    this.levels[level].put(first, int16(columns));
  }

  /**
   * Lowest and highest of each pixel of a stretch, of one channel; NaN where nothing is known.
   * @param {number} start_s @param {number} end_s @param {number} n_px @param {number} channel
   * @returns {{bars: Float32Array, missing: {level: number, first: number}[]}} pairs, and the
   *   tiles to ask for
   */
  bars(start_s, end_s, n_px, channel) {
    const from = start_s / COLUMN_S;
    const px = (end_s - start_s) / COLUMN_S / n_px;
    let level = 0;
    while (level < N_LEVELS - 1 && FACTOR ** (level + 1) <= px) level++;
    const bars = new Float32Array(2 * n_px).fill(NaN);
    /** @type {Set<number>} */
    const missing = new Set();
    for (let i = 0; i < n_px; i++) {
      const first = Math.max(0, from + i * px);
      const last = Math.min(from + (i + 1) * px, this.n_columns);
      if (first >= last) continue;
      const found = /** @type {[number, number]} */ ([Infinity, -Infinity]);
      this._look(level, first, last, channel, found, missing);
      if (found[0] <= found[1]) bars.set(found, 2 * i);
    }
    return { bars, missing: [...missing].map((n) => ({ level, first: n * TILE })) };
  }

  /**
   * Lowest and highest of [from, to), counted in columns of the finest level, from `level`.
   * @param {number} level @param {number} from @param {number} to @param {number} channel
   * @param {[number, number]} found what they are added to @param {Set<number>} [missing] tiles
   */
  _look(level, from, to, channel, found, missing) {
    const size = FACTOR ** level;
    const { known } = this.levels[level];
    const n_full = Math.floor(this.n_columns / size);
    const begin = Math.floor(from / size + EDGE);
    const end = Math.max(begin + 1, Math.ceil(to / size - EDGE));
    for (let i = begin; i < Math.min(end, n_full); i++) {
      let at = level;
      if (!known[i]) {
        missing?.add(Math.floor(i / TILE));
        while (at < N_LEVELS && !this.levels[at].known[Math.floor((i * size) / FACTOR ** at)]) at++;
      }
      if (at < N_LEVELS) this._add(at, Math.floor((i * size) / FACTOR ** at), channel, found);
    }
    // The last column is not full yet: its finer ones say what is there.
    if (end > n_full && level > 0) this._look(level - 1, Math.max(from, n_full * size), to, channel, found);
  }

  /** @param {number} level @param {number} i @param {number} channel @param {[number, number]} found */
  _add(level, i, channel, found) {
    const { data, width } = this.levels[level];
    const at = i * width + 2 * channel;
    if (data[at] < found[0]) found[0] = data[at];
    if (data[at + 1] > found[1]) found[1] = data[at + 1];
  }

  /** Build the full columns of `level` over what has come from `first` of the finest on. */
  _coarsen(/** @type {number} */ level, /** @type {number} */ first) {
    const [fine, coarse] = [this.levels[level - 1], this.levels[level]];
    const n = Math.floor(this.n_columns / FACTOR ** level);
    const values = new Int16Array(coarse.width);
    for (let i = Math.floor(first / FACTOR ** level); i < n; i++) {
      if (coarse.known[i]) continue;
      let k = 0;
      while (k < FACTOR && fine.known[i * FACTOR + k]) k++;
      if (k < FACTOR) continue;
      for (let j = 0; j < coarse.width; j++) {
        values[j] = fine.data[i * FACTOR * fine.width + j];
        for (k = 1; k < FACTOR; k++) {
          const value = fine.data[(i * FACTOR + k) * fine.width + j];
          values[j] = j % 2 ? Math.max(values[j], value) : Math.min(values[j], value);
        }
      }
      coarse.put(i, values);
    }
  }
}
