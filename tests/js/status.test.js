import assert from "node:assert/strict";
import { test } from "node:test";

import { billed, clock, levelText, meterFraction } from "../../nbstream/widgets/status.js";

test("time is m:ss, and h:mm:ss from an hour on", () => {
  assert.equal("0:00", clock(0));
  assert.equal("0:09", clock(9.99));
  assert.equal("59:59", clock(3599));
  assert.equal("3:00:01", clock(10_801));
});

test("billed time is in minutes, and a free service says so", () => {
  assert.equal("0.7 min billed, about 0.01 USD", billed(42, 0.00525));
  assert.equal("not billed", billed(null, 0));
});

test("the meter goes from -60 to 0 dBFS and no further", () => {
  assert.equal(0, meterFraction(-96));
  assert.equal(0, meterFraction(-60));
  assert.equal(0.5, meterFraction(-30));
  assert.equal(1, meterFraction(0));
});

test("the level is said in words", () => {
  assert.equal("silent", levelText(-96, false));
  assert.equal("-18 dB", levelText(-18.2, false));
  assert.equal("too loud", levelText(-1, true));
});
