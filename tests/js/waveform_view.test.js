import assert from "node:assert/strict";
import { test } from "node:test";

import { Store } from "../../nbstream/front/store.js";
import {
  around, following, height, moved, opening, overviewEnd, owners, spanText, tickStep, tickText,
  tickTimes, within, wordsAround, zoomed,
} from "../../nbstream/front/span.js";
import { pieces } from "../../nbstream/front/words.js";

test("a live session fills the window from the left, then it rolls", () => {
  assert.deepEqual({ start_s: 0, end_s: 30 }, following(12));
  assert.deepEqual({ start_s: 10, end_s: 40 }, following(40));
});

test("an opened session is shown whole if it is short, else from its beginning", () => {
  assert.deepEqual({ start_s: 0, end_s: 45 }, opening(45));
  assert.deepEqual({ start_s: 0, end_s: 30 }, opening(10_800));
});

test("nobody gets lost outside the recording", () => {
  assert.deepEqual({ start_s: 0, end_s: 10 }, within({ start_s: -5, end_s: 5 }, 100));
  assert.deepEqual({ start_s: 90, end_s: 100 }, within({ start_s: 95, end_s: 105 }, 100));
  assert.deepEqual({ start_s: 0, end_s: 100 }, within({ start_s: -5, end_s: 500 }, 100));
  assert.deepEqual({ start_s: 70, end_s: 80 }, moved({ start_s: 10, end_s: 20 }, 60, 100));
});

test("zooming keeps the place under the pointer, and ends at half a second", () => {
  assert.deepEqual({ start_s: 5, end_s: 15 }, zoomed({ start_s: 0, end_s: 20 }, 0.5, 10, 100));
  assert.deepEqual({ start_s: 0, end_s: 10 }, zoomed({ start_s: 0, end_s: 20 }, 0.5, 0, 100));
  const { start_s, end_s } = zoomed({ start_s: 10, end_s: 11 }, 0.001, 10.5, 100);
  assert.equal(0.5, end_s - start_s);
  assert.deepEqual({ start_s: 0, end_s: 100 }, zoomed({ start_s: 10, end_s: 90 }, 50, 50, 100));
});

test("a turn is looked at with room around it", () => {
  assert.deepEqual({ start_s: 9, end_s: 21 }, around({ start_s: 10, end_s: 20 }, 100));
});

test("the overview of a live session grows in steps, that of a whole one fits", () => {
  assert.deepEqual([60, 60, 120, 3600, 10_800], [0, 60, 61, 3000, 7201].map((s) => overviewEnd(s, true)));
  assert.equal(71.5, overviewEnd(71.5, false));
});

test("labels stand at round times, as far apart as they must", () => {
  assert.equal(2, tickStep(40, 64));
  assert.deepEqual([2, 4, 6], tickTimes({ start_s: 0.5, end_s: 8 }, 2));
  assert.deepEqual(["0:05", "0:05.5", "0:05.55", "1:00:00"], [
    tickText(5, 1), tickText(5.5, 0.5), tickText(5.55, 0.05), tickText(3600, 600),
  ]);
  assert.deepEqual(["0:00.0", "0:00.1", "0:00.2", "0:00.3"], tickTimes({ start_s: 0, end_s: 0.35 }, 0.1).map((t) => tickText(t, 0.1)));
  assert.equal("1:00.0", tickText(59.9999, 0.1)); // never 0:60.0
});

test("full scale is full height, and the sign is kept", () => {
  assert.deepEqual([-1, 0], [height(-32768), height(0)]);
  assert.ok(height(3277) > 0.2 && height(3277) < 0.3);
});

test("what is shown is said in words", () => {
  assert.equal("0:05 to 0:35 of 3:00:00", spanText({ start_s: 5, end_s: 35 }, 10_800));
  assert.equal("0:05.0 to 0:06.5 of 0:40", spanText({ start_s: 5, end_s: 6.5 }, 40));
});

function store(turns, speakers = []) {
  const made = new Store();
  const head = { name: "", folder: "", state: "", is_live: false, duration_s: 0, speakers };
  made.load({ seq: 0, head, turns, gaps: [], marks: [], sound: { n_channels: 1, n_columns: 0, parts: [] } });
  return made;
}

const turn = (order, start_s, end_s, channel = null) => ({
  connection: 0, turn: order, channel, start_s, end_s, text: "", words: [],
});

test("each pixel belongs to the turn that is heard there, on its channel", () => {
  const both = store([turn(0, 0, 4, 0), turn(1, 1, 2, 1), turn(2, 6, 8, 0)]);
  const heard = (channel) => owners(both, { start_s: 0, end_s: 8 }, 8, channel).map((one) => one?.turn ?? "-").join("");

  assert.equal("0000--22", heard(0));
  assert.equal("-1------", heard(1));
});

test("finding whose a pixel is costs the same among many turns", () => {
  const looks = (n) => {
    const many = store(Array.from({ length: n }, (_, i) => turn(i, 2 * i, 2 * i + 1)));
    let count = 0;
    many.turns = new Proxy(many.turns, { get: (all, key) => (count++, Reflect.get(all, key)) });
    owners(many, { start_s: 0, end_s: 2 * n }, 100, null);
    return count;
  };

  assert.ok(looks(4000) < 3 * looks(40), `${looks(4000)} ${looks(40)}`);
});

test("of a long turn the words around the place are shown", () => {
  const text = Array.from({ length: 40 }, (_, i) => `w${i}`).join(" ");
  const long = pieces({ text, start_s: 0, end_s: 40, words: text.split(" ").map((w, i) => [w, i, i + 0.9, 1]) });

  assert.deepEqual(["\u2026 w18 w19 ", "w20", " w21 \u2026"], wordsAround(long, 20.5, 4));
  assert.deepEqual(["", "w0", " w1 w2 w3 \u2026"], wordsAround(long, 0, 4));
  assert.deepEqual(["", "", ""], wordsAround([], 0, 4));
});
