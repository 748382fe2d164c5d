import assert from "node:assert/strict";
import { test } from "node:test";

import { cellText, clock, isAtEnd, keyOf, merge } from "../../nbstream/widgets/turns.js";

const row = (turn, text, more = {}) => ({
  connection: 0, turn, text, start_s: 1, end_s: 2, words: 2, confidence: 0.9, arrived_s: 2.5,
  speaker: null, ...more,
});

test("a turn is identified by connection and turn", () => {
  assert.equal("1.3", keyOf(row(3, "", { connection: 1 })));
});

test("a turn that is final is not shown as partial as well", () => {
  const merged = merge([row(0, "It is final.")], [row(0, "it is"), row(1, "and")]);

  assert.deepEqual([["It is final.", true], ["and", false]], merged.map((r) => [r.text, r.is_final]));
});

test("numbers have two digits, what is unknown is empty, a speaker goes before the text", () => {
  assert.equal("1.00", cellText("start_s", row(0, ""), false));
  assert.equal("", cellText("start_s", row(0, "", { start_s: null }), false));
  assert.equal("2", cellText("words", row(0, ""), false));
  assert.equal("A: yes", cellText("text", row(0, "yes", { speaker: "A" }), false));
});

test("turns carry their connection once there are several", () => {
  assert.equal("4", cellText("turn", row(4, ""), false));
  assert.equal("0/4", cellText("turn", row(4, ""), true));
});

test("a reader near the end follows, one who scrolled up does not", () => {
  assert.equal(true, isAtEnd({ scrollTop: 90, clientHeight: 100, scrollHeight: 200 }));
  assert.equal(false, isAtEnd({ scrollTop: 50, clientHeight: 100, scrollHeight: 200 }));
});

test("a turn without words has no time", () => {
  assert.equal("", clock(null));
  assert.equal("1:02", clock(62.7));
});
