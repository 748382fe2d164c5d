import assert from "node:assert/strict";
import { test } from "node:test";

import { inOrder, keyOf, Store } from "../../nbstream/front/store.js";

export const head = (more = {}) => ({
  name: "", folder: "/a", state: "recording", is_live: true, duration_s: 0, speakers: [], ...more,
});

export const turn = (order, start_s, end_s, more = {}) => ({
  connection: 0, turn: order, channel: null, speaker: null, start_s, end_s, text: "word", n_words: 1,
  confidence: 0.9, arrived_s: end_s, is_final: true, words: [["word", start_s, end_s, 0.9]], ...more,
});

export const state = (turns, more = {}) => ({
  seq: 0, head: head(), turns, gaps: [], marks: [], sound: { n_channels: 1, n_columns: 0, parts: [] }, ...more,
});

function loaded(turns) {
  const store = new Store();
  store.load(state(turns));
  return store;
}

const orders = (store) => store.turns.map((one) => one.turn);

/** What a listener is told in the next frame. */
const told = (store) => new Promise((resolve) => {
  const off = store.on((changed) => {
    off();
    resolve([...changed].sort());
  });
});

test("turns stand in the order of the audio, those without words at the end", () => {
  assert.deepEqual([1, 0, 2], orders(loaded([turn(2, null, null), turn(0, 5, 6), turn(1, 1, 2)])));
  assert.ok(inOrder(turn(0, 1, 2), turn(0, 1, 3, { connection: 1 })) < 0);
});

test("a turn is identified by connection and turn", () => {
  assert.equal("1.3", keyOf(turn(3, 0, 0, { connection: 1 })));
});

test("what is new changes a turn, adds one, takes one away", () => {
  const store = loaded([turn(0, 1, 2), turn(1, 3, 4)]);
  store.apply({ seq: 1, head: head(), turns: [turn(1, 3, 5, { text: "more" }), turn(2, 6, 7)] });
  assert.deepEqual(["word", "more", "word"], store.turns.map((one) => one.text));

  store.apply({ seq: 2, head: head(), gone: ["0.1"], turns: [turn(0, 8, 9)] }); // and one moves
  assert.deepEqual([2, 0], orders(store));
  assert.equal(2, store.byKey.size);
});

test("a message that was in what was loaded is left out", () => {
  const store = new Store();
  store.load(state([turn(0, 1, 2, { text: "late" })], { seq: 7 }));
  store.apply({ seq: 7, head: head(), turns: [turn(0, 1, 2, { text: "early" })] });

  assert.equal("late", store.turns[0].text);
});

test("a message that is missing makes it ask for everything, and nothing is drawn from the wrong one", () => {
  const store = loaded([turn(0, 1, 2)]);
  const asked = [];
  store.ask = (message) => asked.push(message);
  store.apply({ seq: 2, head: head(), turns: [turn(1, 3, 4)] });

  assert.deepEqual([{ kind: "all" }], asked);
  assert.deepEqual([0], orders(store));
});

test("turns of a stretch are found, long ones that began well before it too", () => {
  const store = loaded([turn(0, 0, 400), turn(1, 350, 352), turn(2, 390, 391), turn(3, 500, 501)]);

  assert.deepEqual([0, 2], store.turnsIn(380, 395).map((one) => one.turn));
  assert.deepEqual([], store.turnsIn(400, 500));
});

test("listeners hear once what has changed, whatever came together", async () => {
  const store = loaded([]);
  assert.deepEqual(["chosen", "cursor", "head", "range", "sound", "turns"], await told(store));

  store.apply({ seq: 1, head: head(), turns: [turn(0, 1, 2)] });
  store.apply({ seq: 2, head: head() });
  assert.deepEqual(["head", "turns"], await told(store));

  store.point(3);
  store.look({ start_s: 0, end_s: 1 });
  assert.deepEqual(["cursor", "range"], await told(store));
});

test("loading the same session again leaves what is looked at, another one does not", () => {
  const store = loaded([]);
  store.look({ start_s: 1, end_s: 2 });
  store.load(state([]));
  assert.deepEqual({ start_s: 1, end_s: 2 }, store.range);

  store.load(state([], { head: head({ folder: "/b" }) }));
  assert.equal(null, store.range);
});

test("words that were asked for find their turn", () => {
  const store = loaded([turn(0, 1, 2, { words: null })]);
  store.takeWords({ "0.0": [["hi", 1, 2, 0.5]], "9.9": [] });

  assert.deepEqual([["hi", 1, 2, 0.5]], store.turns[0].words);
});
