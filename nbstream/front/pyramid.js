// pyramid.js: lowest and highest sample of columns of sound, at 10 ms, 80 ms, 640 ms and 5.12 s,
// so that any stretch is drawn from about as many columns as it has pixels.

export const COLUMN_S = 0.01;
export const FACTOR = 8;
export const N_LEVELS = 4;
export const TILE = 2048; // columns that are asked for at once
const GROWTH = 1.5;

/** Little-endian int16 from the wire, in the machine's own order. @returns {Int16Array} */
export function int16(/** @type {DataView | ArrayBuffer | Uint8Array} */ bytes) {
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

export class Pyramid {
  /** @param {any} [sound] n_channels, n_columns, parts: [{level, first, columns}] */
  constructor(sound = { n_channels: 1, n_columns: 0, parts: [] }) {
    this.n_channels = sound.n_channels;
    this.n_columns = sound.n_columns; // of the finest level
    const width = 2 * this.n_channels;
    this.levels = Array.from({ length: N_LEVELS }, () => new Level(width));
    for (const { level, first, columns } of sound.parts) this.put(level, first, columns);
    for (let level = 1; level < N_LEVELS; level++) this._coarsen(level, 0);
  }

  /** Seconds of sound that are there. */
  get end_s() {
    return this.n_columns * COLUMN_S;
  }

  /** Columns of a level that were sent. */
  put(/** @type {number} */ level, /** @type {number} */ first, /** @type {any} */ columns) {
    this.levels[level].put(first, int16(columns));
  }

  /** New columns of the finest level; the coarser ones follow. */
  append(/** @type {number} */ first, /** @type {any} */ columns) {
    this.put(0, first, columns);
    this.n_columns = Math.max(
      this.n_columns, first + columns.byteLength / (4 * this.n_channels),
    );
    for (let level = 1; level < N_LEVELS; level++) this._coarsen(level, first);
  }

  /**
   * Lowest and highest of each pixel of a stretch, of one channel; NaN where nothing is known.
   * @param {number} start_s @param {number} end_s @param {number} n_px @param {number} channel
   * @returns {{bars: Float32Array, missing: {level: number, first: number}[]}} pairs, and the
   *   tiles to ask for
   */
  bars(start_s, end_s, n_px, channel) {
    const column_px = (end_s - start_s) / COLUMN_S / n_px;
    let level = 0;
    while (level < N_LEVELS - 1 && FACTOR ** (level + 1) <= column_px) level++;
    const bars = new Float32Array(2 * n_px).fill(NaN);
    const missing = new Set();
    for (let px = 0; px < n_px; px++) {
      const from = (start_s + ((end_s - start_s) * px) / n_px) / COLUMN_S;
      const to = (start_s + ((end_s - start_s) * (px + 1)) / n_px) / COLUMN_S;
      if (from >= this.n_columns || to <= 0) continue;
      this._pixel(bars, px, Math.max(0, from), Math.min(to, this.n_columns), level, channel, missing);
    }
    const tiles = [...missing].map((n) => ({ level, first: n * TILE }));
    return { bars, missing: tiles };
  }

  /** One pixel from `level`, or from a coarser one while that is not there. */
  _pixel(bars, px, from, to, level, channel, missing) {
    for (let at = level; at < N_LEVELS; at++) {
      const { data, known, width } = this.levels[at];
      const size = FACTOR ** at;
      const first = Math.floor(from / size);
      const last = Math.max(first, Math.ceil(to / size) - 1);
      let [low, high, whole] = [Infinity, -Infinity, true];
      for (let i = first; i <= last; i++) {
        if (!known[i]) {
          whole = false;
          // The coarse column at the growing end is not full yet: its finer ones say it all.
          if (at === level && i < Math.floor(this.n_columns / size)) missing.add(Math.floor(i / TILE));
          continue;
        }
        low = Math.min(low, data[i * width + 2 * channel]);
        high = Math.max(high, data[i * width + 2 * channel + 1]);
      }
      if (low <= high && (whole || at === N_LEVELS - 1 || last >= Math.floor(this.n_columns / size) - 1)) {
        bars[2 * px] = low;
        bars[2 * px + 1] = high;
        return;
      }
    }
  }

  /** Build the full columns of `level` over what has come from `first` of the finest on. */
  _coarsen(/** @type {number} */ level, /** @type {number} */ first) {
    const [fine, coarse] = [this.levels[level - 1], this.levels[level]];
    const n = Math.floor(this.n_columns / FACTOR ** level);
    const values = new Int16Array(coarse.width);
    for (let i = Math.floor(first / FACTOR ** level); i < n; i++) {
      if (coarse.known[i]) continue;
      let there = true;
      for (let k = 0; k < FACTOR; k++) there = there && Boolean(fine.known[i * FACTOR + k]);
      if (!there) continue;
      for (let j = 0; j < coarse.width; j++) {
        values[j] = fine.data[i * FACTOR * fine.width + j];
        for (let k = 1; k < FACTOR; k++) {
          const value = fine.data[(i * FACTOR + k) * fine.width + j];
          values[j] = j % 2 ? Math.max(values[j], value) : Math.min(values[j], value);
        }
      }
      coarse.put(i, values);
    }
  }
}
