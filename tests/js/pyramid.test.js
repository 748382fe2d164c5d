import assert from "node:assert/strict";
import { test } from "node:test";

import { FACTOR, int16, N_LEVELS, Pyramid, TILE } from "../../nbstream/front/pyramid.js";

/** Columns as they come over the wire: little-endian lowest and highest. */
function wire(values) {
  const view = new DataView(new ArrayBuffer(2 * values.length));
  values.forEach((value, i) => view.setInt16(2 * i, value, true));
  return view;
}

/** Columns of one channel: -(i % 97) - 1 and i % 89 + 1, from the number `first` on. */
function columns(first, n) {
  return wire(Array.from({ length: 2 * n }, (_, j) => {
    const i = first + (j >> 1);
    return j % 2 ? (i % 89) + 1 : -(i % 97) - 1;
  }));
}

function lowest(from, to) {
  let low = 0;
  for (let i = from; i < to; i++) low = Math.min(low, -(i % 97) - 1);
  return low;
}

const whole = (n) => ({ n_channels: 1, n_columns: n, parts: [{ level: 0, first: 0, columns: columns(0, n) }] });

test("columns are little-endian int16, wherever the view begins", () => {
  const buffer = new Uint8Array([99, 0x00, 0x80, 0xff, 0x7f]).buffer;

  assert.deepEqual([-32768, 32767], [...int16(new DataView(buffer, 1, 4))]);
});

test("each pixel has the lowest and highest of its columns, at every zoom", () => {
  const pyramid = new Pyramid(whole(5000));
  for (const [from, to, n_px] of [[0, 100, 100], [0, 4096, 512], [1000, 1100, 10], [0, 5000, 3], [512, 4608, 8]]) {
    const { bars, missing } = pyramid.bars(from / 100, to / 100, n_px, 0);
    const each = (to - from) / n_px;
    for (let i = 0; i < n_px; i++) {
      const [a, b] = [from + i * each, from + (i + 1) * each];
      // Columns of the level in use may stand over the edges of a pixel, never leave out any of it.
      assert.ok(bars[2 * i] <= lowest(Math.round(a), Math.round(b)), `${from}-${to} px ${i}`);
    }
    assert.deepEqual([], missing);
  }
});

test("a pyramid that grew piece by piece is the one that was made at once", () => {
  const grown = new Pyramid();
  for (let first = 0, n = 1; first < 3000; first += n, n = (n * 7) % 31 || 1) {
    grown.append(first, columns(first, Math.min(n, 3000 - first)));
  }
  const made = new Pyramid(whole(3000));

  assert.equal(3000, grown.n_columns);
  for (let level = 0; level < N_LEVELS; level++) {
    const n = Math.floor(3000 / FACTOR ** level);
    assert.deepEqual(made.levels[level].data.slice(0, 2 * n), grown.levels[level].data.slice(0, 2 * n));
    assert.ok(grown.levels[level].known.slice(0, n).every(Boolean));
  }
});

test("the end that fills no coarse column yet is drawn all the same", () => {
  const pyramid = new Pyramid(whole(515));
  pyramid.append(515, wire([-30000, 30000])); // the 516th column
  const { bars } = pyramid.bars(0, 5.16, 1, 0);

  assert.deepEqual([-30000, 30000], [...bars]);
});

test("nothing is drawn where nothing was recorded", () => {
  const { bars } = new Pyramid(whole(100)).bars(0, 2, 4, 0);

  assert.deepEqual([false, false, true, true], [0, 2, 4, 6].map((i) => Number.isNaN(bars[i])));
});

test("what is not there is drawn from what is coarser, and asked for", () => {
  const n = 64 * 100;
  const coarse = Array.from({ length: 200 }, (_, j) => (j % 2 ? 500 + (j >> 1) : -500 - (j >> 1)));
  const pyramid = new Pyramid({
    n_channels: 1, n_columns: n, parts: [{ level: 2, first: 0, columns: wire(coarse) }],
  });
  const { bars, missing } = pyramid.bars(0, 0.64, 64, 0);

  assert.deepEqual([-500, 500], [...bars.slice(0, 2)]);
  assert.deepEqual([{ level: 0, first: 0 }], missing);

  pyramid.put(0, 0, columns(0, TILE));
  const later = pyramid.bars(0, 0.64, 64, 0);
  assert.deepEqual([[-1, 1], []], [[...later.bars.slice(0, 2)], later.missing]);
});

test("columns come with a hole, the coarser ones whole, as from a source that is read fast", () => {
  const pyramid = new Pyramid(whole(100));
  const coarse = wire(Array.from({ length: 2 * 99 }, (_, j) => (j % 2 ? 700 : -700)));
  pyramid.take({ n_columns: 6400, parts: [
    { level: 2, first: 1, columns: coarse }, { level: 0, first: 5632, columns: columns(5632, 768) },
  ] });

  assert.deepEqual([-700, 700], [...pyramid.bars(10, 20, 1, 0).bars]);
  assert.equal(-(5700 % 97) - 1, pyramid.bars(57, 58, 100, 0).bars[0]);
});

test("channels are kept apart", () => {
  const two = { n_channels: 2, n_columns: 2, parts: [
    { level: 0, first: 0, columns: wire([-1, 1, -5, 5, -2, 2, -6, 6]) },
  ] };

  assert.deepEqual([-1, 1, -2, 2], [...new Pyramid(two).bars(0, 0.02, 2, 0).bars]);
  assert.deepEqual([-5, 5, -6, 6], [...new Pyramid(two).bars(0, 0.02, 2, 1).bars]);
});

test("work is bounded by the pixels, however long the recording", () => {
  const looks = (/** @type {number} */ n) => {
    const pyramid = new Pyramid(whole(n));
    let count = 0;
    const add = pyramid._add.bind(pyramid);
    pyramid._add = (...args) => (count++, add(...args));
    pyramid.bars(0, n / 100, 400, 0);
    return count;
  };

  assert.ok(looks(400 * 512 * 3) <= 400 * 10 + 3 * 7);
});
