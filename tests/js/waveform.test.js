import assert from "node:assert/strict";
import { test } from "node:test";

import { bars, clock, decode, height, shown, ticks } from "../../nbstream/widgets/waveform.js";

test("columns are little-endian int16, wherever the view begins", () => {
  const buffer = new Uint8Array([99, 0x00, 0x80, 0xff, 0x7f]).buffer;

  assert.deepEqual([-32768, 32767], [...decode(new DataView(buffer, 1, 4))]);
});

test("the window fills from the left, then rolls", () => {
  assert.deepEqual({ start_s: 0, end_s: 30 }, shown(12, 30));
  assert.deepEqual({ start_s: 10, end_s: 40 }, shown(40, 30));
});

test("full scale is full height, and the sign is kept", () => {
  assert.equal(-1, height(-32768));
  assert.equal(0, height(0));
  assert.ok(height(3277) > 0.2 && height(3277) < 0.3);
});

test("columns that share a pixel are merged", () => {
  const columns = Int16Array.from([-1, 1, -5, 2, -2, 9, -3, 3]);

  assert.deepEqual(
    [[0, [-5, 2]], [1, [-3, 9]]],
    [...bars(columns, 0.5, 0)],
  );
});

test("a column wider than a pixel leaves no hole", () => {
  assert.deepEqual([10, 11, 12, 13, 14], [...bars(Int16Array.from([-1, 1, -2, 2]), 2.5, 10).keys()]);
});

test("each five seconds are labelled, and the end is left out", () => {
  assert.deepEqual([0, 5, 10, 15, 20, 25], ticks(0, 30));
  assert.deepEqual([5, 10], ticks(0.1, 15));
  assert.equal("61:05", clock(3665));
});
