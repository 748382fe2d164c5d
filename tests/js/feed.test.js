import assert from "node:assert/strict";
import { test } from "node:test";

import { attach, fromPage, widgetOf } from "../../nbstream/front/feed.js";
import { Store } from "../../nbstream/front/store.js";

const head = (more = {}) => ({
  name: "", folder: "/a", state: "stopped", is_live: false, duration_s: 0, speakers: [], ...more,
});
const row = (order, text) => ({ connection: 0, turn: order, start_s: order, end_s: order + 1, text, words: null });
const two = (low, high) => new DataView(Int16Array.of(low, high).buffer);
const state = (seq, turns, more = {}) => ({
  seq, head: head(), turns, gaps: [], marks: [],
  sound: { n_channels: 1, n_columns: 1, parts: [{ level: 0, first: 0, columns: two(-5, 5) }] }, ...more,
});

/** A widget's model: traits, listeners, and what was sent up. */
class Model {
  constructor(first) {
    this.traits = { state: first, delta: { seq: first.seq } };
    this.listeners = new Map();
    this.sent = [];
  }
  get(name) { return this.traits[name]; }
  on(name, f) { this.listeners.set(name, [...(this.listeners.get(name) ?? []), f]); }
  off(name, f) { this.listeners.set(name, (this.listeners.get(name) ?? []).filter((g) => g !== f)); }
  send(message) { this.sent.push(message); }
  say(name, ...args) { for (const f of this.listeners.get(name) ?? []) f(...args); }
  delta(delta) {
    this.traits.delta = { head: head(), ...delta };
    this.say("change:delta");
  }
}

function attached(first = state(0, [row(0, "one")])) {
  const model = new Model(first);
  const store = new Store();
  const end = attach(store, model);
  return { model, store, end };
}

const texts = (store) => store.turns.map((turn) => turn.text);

test("a store begins with the state and goes on with what is new", () => {
  const { model, store } = attached();
  model.delta({ seq: 1, turns: [row(1, "two")], sound: { n_columns: 2, parts: [{ level: 0, first: 1, columns: two(-9, 9) }] } });

  assert.deepEqual(["one", "two"], texts(store));
  assert.deepEqual([-5, 5, -9, 9], [...store.sound.bars(0, 0.02, 2, 0).bars]);
  assert.deepEqual([], model.sent);
});

test("a model whose state is older than its last delta has both", () => {
  const model = new Model(state(3, [row(0, "one")]));
  model.traits.delta = { seq: 4, head: head(), turns: [row(1, "two")] };
  const store = new Store();
  attach(store, model);

  assert.deepEqual(["one", "two"], texts(store));
});

test("a page that joins while it records asks whether it has missed something", () => {
  const { model } = attached(state(5, [], { head: head({ is_live: true }) }));

  assert.equal(1, model.sent.length);
  assert.deepEqual(["all", 5], [model.sent[0].kind, model.sent[0].seq]);
});

test("what was missed is asked for once, and the answer is taken", () => {
  const { model, store } = attached();
  model.delta({ seq: 2, turns: [row(2, "three")] });
  model.delta({ seq: 3 });
  assert.equal(1, model.sent.length);

  const { to } = model.sent[0];
  const whole = state(3, [row(0, "one"), row(1, "two"), row(2, "three")]);
  const buffers = whole.sound.parts.map((part) => part.columns);
  whole.sound.parts = [{ level: 0, first: 0 }];
  model.say("msg:custom", { kind: "state", to: "somebody else", state: state(9, []) }, []);
  model.say("msg:custom", { kind: "state", to, state: whole }, buffers);
  assert.deepEqual(["one", "two", "three"], texts(store));
  assert.deepEqual([-5, 5], [...store.sound.bars(0, 0.01, 1, 0).bars]);
});

test("what came between question and answer is not lost", () => {
  const { model, store } = attached();
  model.delta({ seq: 2 });
  model.delta({ seq: 3, turns: [row(1, "two")] });
  model.say("msg:custom", { kind: "state", to: null, state: state(2, [row(0, "one")]) }, [two(0, 0)]);
  assert.deepEqual(["one", "two"], texts(store));

  model.delta({ seq: 5 });
  const before = model.sent.length;
  model.say("msg:custom", { kind: "state", to: null, state: state(3, []) }, [two(0, 0)]);
  assert.equal(before + 1, model.sent.length); // 4 is missing still
});

test("a session that begins anew is taken by every page", () => {
  const { model, store } = attached();
  model.say("msg:custom", { kind: "state", to: null, state: state(1, [row(0, "new")]) }, [two(0, 0)]);

  assert.deepEqual(["new"], texts(store));
});

test("tiles and words are asked for once, until they come", () => {
  const { model, store } = attached();
  const tiles = [{ level: 0, first: 0 }, { level: 0, first: 2048 }];
  store.ask({ kind: "tiles", tiles });
  store.ask({ kind: "tiles", tiles });
  store.ask({ kind: "words", keys: ["0.0"] });
  store.ask({ kind: "words", keys: ["0.0"] });
  assert.deepEqual([{ kind: "tiles", tiles }, { kind: "words", keys: ["0.0"] }], model.sent);

  model.say("msg:custom", { kind: "tiles", tiles: [{ level: 0, first: 0 }] }, [two(-7, 7)]);
  model.say("msg:custom", { kind: "words", words: { "0.0": [["hi", 0, 1, 0.5]] } }, []);
  assert.deepEqual([-7, 7], [...store.sound.bars(0, 0.01, 1, 0).bars]);
  assert.equal("hi", store.turns[0].words[0][0]);
});

test("no more than a few tiles are asked for at once", () => {
  const { model, store } = attached();
  store.ask({ kind: "tiles", tiles: Array.from({ length: 500 }, (_, i) => ({ level: 0, first: 2048 * i })) });

  assert.equal(32, model.sent[0].tiles.length);
});

test("views of a model share one store, and a view that goes leaves it to the others", () => {
  const seen = [];
  const widget = widgetOf((store, el) => (seen.push(store), () => seen.push(`${el} gone`)))();
  const model = new Model(state(0, []));
  widget.initialize({ model });
  const end = widget.render({ model: null, el: "a" });
  widget.render({ model: null, el: "b" });
  end();
  model.delta({ seq: 1, turns: [row(0, "still there")] });

  assert.equal(seen[0], seen[1]);
  assert.deepEqual(["still there"], texts(seen[0]));
});

test("after its end a store hears nothing more", () => {
  const { model, store, end } = attached();
  end();
  model.delta({ seq: 1, turns: [row(1, "two")] });

  assert.deepEqual(["one"], texts(store));
});

test("a page without a kernel holds everything, its sound as base64", () => {
  const columns = Buffer.from(Int16Array.of(-5, 5, -6, 6).buffer).toString("base64");
  const store = fromPage({ ...state(0, [row(0, "one")]), sound: {
    n_channels: 1, n_columns: 2, parts: [{ level: 0, first: 0, columns }],
  } });
  store.ask({ kind: "tiles", tiles: [] }); // nobody answers, nothing fails

  assert.deepEqual(["one"], texts(store));
  assert.deepEqual([-5, 5, -6, 6], [...store.sound.bars(0, 0.02, 2, 0).bars]);
});
