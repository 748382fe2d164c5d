import assert from "node:assert/strict";
import { test } from "node:test";

import { HELP_KEYS, inspectorKey, placeText, stepIn } from "../../nbstream/front/inspecting.js";
import { NOTHING_SAID, idsOf, remarksOf, remarksText, spanKey, spansOf } from "../../nbstream/front/remarks.js";
import { spanBetween, spanName, withEdge } from "../../nbstream/front/spans.js";
import { Store } from "../../nbstream/front/store.js";
import { speakerOf } from "../../nbstream/front/words.js";
import { editTo, textNow } from "../../nbstream/front/writing.js";
import { arrange, cellText, COLUMNS } from "../../nbstream/front/frame.js";
import { state, turn } from "./store.test.js";

const LABELS = [["question", "#0072b2"], ["answer", "#b85000"]];
const said = (id, kind, value, where) => ({ id, kind, value, ...where });
const on = (key) => ({ key });

function loaded(turns, annotations = []) {
  const store = new Store();
  store.load(state(turns, { annotations, labels: LABELS }));
  return store;
}

// -- what is said ----------------------------------------------------------------------------------

test("remarks are sorted by turn, labels as in the label set, of corrections the last", () => {
  const found = remarksOf([
    said("a", "label", "answer", on("0.1")), said("b", "label", "question", on("0.1")),
    said("c", "transcript", "one", on("0.1")), said("d", "transcript", "two", on("0.1")),
    said("e", "note", "hm", on("0.2")), said("f", "label", "odd", { start_s: 1, end_s: 2 }),
  ], LABELS);

  assert.deepEqual(["question", "answer"], found.get("0.1").labels.map(({ text }) => text));
  assert.deepEqual({ id: "d", text: "two" }, found.get("0.1").corrected);
  assert.deepEqual(["0.1", "0.2"], [...found.keys()]);
  assert.equal("question, answer; corrected: two", remarksText(found.get("0.1")));
  assert.deepEqual(["b", "a", "d"], idsOf(found.get("0.1")));
});

test("what is said about one stretch is one span", () => {
  const [one, other] = spansOf([
    said("a", "label", "answer", { start_s: 5, end_s: 6, channel: 1 }),
    said("b", "label", "question", { start_s: 1, end_s: 2, channel: null }),
    said("c", "note", "x", { start_s: 1, end_s: 2, channel: null }),
  ], LABELS);

  assert.deepEqual([["b", "c"], ["a"]], [idsOf(one), idsOf(other)]);
  assert.deepEqual([spanKey(1, 2, null), spanKey(5, 6, 1)], [one.key, other.key]);
});

test("a store has remarks at once, and follows what is new", () => {
  const store = loaded([turn(0, 0, 1), turn(1, 1, 2)], [said("a", "label", "answer", on("0.1"))]);
  assert.equal("#b85000", store.turns[1].remarks.labels[0].colour);
  assert.equal(NOTHING_SAID, store.turns[0].remarks);

  const head = store.head;
  store.apply({ seq: 1, head, annotations: [said("b", "speaker", "Ada", on("0.0"))], unannotated: ["a"] });
  assert.equal("Ada", speakerOf(store.turns[0]));
  assert.deepEqual([], store.turns[1].remarks.labels);
  store.apply({ seq: 2, head, turns: [turn(0, 0, 1.5), turn(2, 2, 3)] });
  assert.equal("Ada", speakerOf(store.turns[0])); // a turn that comes again keeps what is said
});

test("labels are a column, and are found by the filter", () => {
  const store = loaded([turn(0, 0, 1), turn(1, 1, 2)], [
    said("a", "label", "answer", on("0.1")), said("b", "label", "question", on("0.1")),
  ]);
  const column = COLUMNS.find(({ name }) => name === "label");
  assert.deepEqual(["", "question; answer"], store.turns.map((one) => cellText(column, one)));
  assert.deepEqual([1], arrange(store.turns, "ANSWER", null).map((one) => one.turn));
});

test("only some turns are listed on demand", () => {
  const store = loaded([turn(0, 0, 1), turn(1, 1, 2)], [said("a", "label", "answer", on("0.1"))]);
  store.show((one) => !one.remarks.labels.length);
  assert.deepEqual([0], store.listed.map((one) => one.turn));
  store.show(null);
  assert.equal(store.turns, store.listed);
});

test("a pointer leaves the cursor alone while something plays", () => {
  const store = loaded([]);
  store.hover(1);
  store.is_playing = true;
  store.hover(2);
  assert.equal(1, store.cursor_s);
});

// -- keys ------------------------------------------------------------------------------------------

/** A key pressed on an element which is, or stands in, what `within` names. */
const press = (key, within = "", more = {}) => ({
  key, ctrlKey: false, metaKey: false, altKey: false, shiftKey: false, ...more,
  target: { closest: (selector) => (within && selector.split(/,\s*/).includes(within) ? {} : null) },
});
const act = (key, within, more, canEdit = true) => inspectorKey(press(key, within, more), false, canEdit);

test("keys do what the help says, wherever the focus is", () => {
  const done = {
    " ": "play", ArrowLeft: "previous", ArrowRight: "next", j: "next", k: "previous", 3: "label",
    Enter: "correct", s: "speaker", m: "note", N: "unlabelled", "?": "help",
  };
  for (const [key, name] of Object.entries(done)) assert.equal(name, act(key), key);
  assert.equal("undo", act("z", "", { ctrlKey: true }));
  assert.equal("redo", act("Z", "", { metaKey: true, shiftKey: true }));
  assert.equal("again", act(" ", "", { shiftKey: true }));
  assert.ok(HELP_KEYS.length > 10);
});

test("a field keeps its keys, a button the two that press it, the sound its arrows", () => {
  assert.equal(null, act("s", "textarea"));
  assert.equal(null, act("z", "textarea", { ctrlKey: true }));
  assert.deepEqual([null, null, "speaker"], [" ", "Enter", "s"].map((key) => act(key, "button:not(.nbs-at)")));
  assert.deepEqual([null, "next"], ["ArrowRight", "j"].map((key) => act(key, ".nbs-detail")));
  assert.equal(null, act("c", "", { ctrlKey: true }));
  assert.equal(null, act("s", "", { isComposing: true }));
});

test("where nothing may be changed, only what plays and looks is done", () => {
  assert.deepEqual(["play", "next", "unlabelled", null, null, null],
    [" ", "j", "n", "1", "Enter", "m"].map((key) => act(key, "", {}, false)));
});

test("escape leaves what was begun, else it is the view's", () => {
  assert.equal(null, inspectorKey(press("Escape"), false, true));
  assert.equal("leave", inspectorKey(press("Escape"), true, true));
});

test("steps go from the turn that is chosen, else from the cursor, and end at the ends", () => {
  const { turns } = loaded([turn(0, 0, 1), turn(1, 5, 6), turn(2, 9, 10), turn(3, null, null)]);
  const to = (...given) => stepIn(turns, ...given)?.turn;

  assert.deepEqual([2, 0, 2, 0], [to("0.1", null, 1), to("0.1", null, -1), to("0.2", null, 1), to("0.0", null, -1)]);
  assert.deepEqual([0, 1, 0], [to("", null, 1), to("", 3, 1), to("", 3, -1)]);
  assert.equal(0, to("0.2", null, 1, true)); // around
  assert.equal(null, stepIn([], "", null, 1));
});

test("what is chosen is said in words", () => {
  const store = loaded([turn(0, 0, 1), turn(1, 65, 66, { speaker: "B" })]);
  assert.equal("Turn 2 of 2 \u00b7 1:05 \u00b7 B", placeText(store, store.turns[1]));
  assert.equal("Span 0:01.25 to 0:02.00", placeText(store, { key: "span 1.25 2", start_s: 1.25, end_s: 2 }));
});

// -- spans and texts -------------------------------------------------------------------------------

test("a span lies within the recording, whichever end it was drawn from", () => {
  assert.deepEqual({ start_s: 1.234, end_s: 5 }, spanBetween(7, 1.2345, 5));
  assert.equal(null, spanBetween(3, 3.01, 5));
  assert.deepEqual({ start_s: 0, end_s: 2 }, withEdge({ start_s: 1, end_s: 2 }, "start_s", -3, 5));
  assert.deepEqual({ start_s: 1, end_s: 1.02 }, withEdge({ start_s: 1, end_s: 2 }, "end_s", 0.5, 5));
  assert.equal("Span 0:01.00 to 1:00.00", spanName({ start_s: 1, end_s: 60 }));
});

test("the edit is what it takes to make a text stand", () => {
  const one = turn(0, 0, 1, { text: "we meat", speaker: "A" });
  const corrected = { ...NOTHING_SAID, corrected: { id: "c", text: "we meet" } };
  const edit = (kind, remarks, text) => editTo(kind, textNow(kind, one, remarks), text, on("0.0"));

  assert.deepEqual({ do: "say", transcript: "we meet", key: "0.0" }, edit("transcript", NOTHING_SAID, "we meet"));
  assert.equal(null, edit("transcript", NOTHING_SAID, "we meat"));
  assert.equal(null, edit("transcript", corrected, "we meet"));
  assert.deepEqual({ do: "remove", ids: ["c"] }, edit("transcript", corrected, "we meat"));
  assert.deepEqual({ do: "say", transcript: "", key: "0.0" }, edit("transcript", NOTHING_SAID, ""));
  assert.equal(null, edit("speaker", NOTHING_SAID, ""));
  assert.deepEqual({ do: "say", speaker: "B", key: "0.0" }, edit("speaker", NOTHING_SAID, "B"));
  const noted = { ...NOTHING_SAID, notes: [{ id: "n", text: "hm" }] };
  assert.deepEqual({ do: "change", ids: ["n"], value: "ah" }, edit("note", noted, "ah"));
  assert.deepEqual({ do: "remove", ids: ["n"] }, edit("note", noted, ""));
});
