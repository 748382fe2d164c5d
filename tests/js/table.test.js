import assert from "node:assert/strict";
import { test } from "node:test";

import {
  arrange, cellText, COLUMNS, shownColumns, toCsv, toMarkdown, windowOf,
} from "../../nbstream/front/frame.js";
import { countText, frameCode, nextSort } from "../../nbstream/front/table.js";

const row = (turn, text, more = {}) => ({
  key: `0.${turn}`, connection: 0, turn, channel: null, speaker: null, start_s: turn, end_s: turn + 1,
  text, n_words: 2, confidence: 0.9, arrived_s: turn + 1.5, is_final: true, words: null, ...more,
});
const column = (name) => COLUMNS.find((one) => one.name === name);
const turnsOf = (rows) => rows.map(({ turn }) => turn);
const csv = (text, more = {}) =>
  toCsv([row(0, text, more)], [column("turn_order"), column("transcript")]).split("\r\n")[1];

test("columns are named as in the DataFrame, and shown as they are of use", () => {
  const names = (columns) => columns.map(({ name }) => name);

  assert.deepEqual(
    ["turn_order", "start_s", "end_s", "transcript", "n_words", "confidence", "arrived_s"],
    names(shownColumns(null, false)),
  );
  assert.ok(names(shownColumns(null, true)).includes("speaker"));
  assert.deepEqual(["channel", "transcript"], names(shownColumns(["transcript", "channel", "gone"], false)));
  assert.deepEqual(shownColumns(null, true), shownColumns([], true));
});

test("numbers have two digits, counts none, what is unknown is empty", () => {
  assert.equal("1.00", cellText(column("start_s"), row(1, "")));
  assert.equal("1.00", cellText(column("confidence"), row(1, "", { confidence: 1 })));
  assert.equal("2", cellText(column("n_words"), row(1, "")));
  assert.equal("", cellText(column("start_s"), row(1, "", { start_s: null })));
});

test("a filter finds words in text and speaker, without case and accents", () => {
  const turns = [row(0, "Ein Café am Rand", { speaker: "Ben" }), row(1, "the edge", { speaker: "Anna" })];

  assert.deepEqual([0], turnsOf(arrange(turns, "CAFE ben", null)));
  assert.deepEqual([1], turnsOf(arrange(turns, "anna", null)));
  assert.deepEqual([0, 1], turnsOf(arrange(turns, "  ", null)));
  turns[1].text = "the café";
  assert.deepEqual([0, 1], turnsOf(arrange(turns, "café", null)));
});

test("rows are sorted both ways, equal ones as in the audio, missing ones last", () => {
  const turns = [row(0, "b", { confidence: null }), row(1, "a"), row(2, "c", { confidence: 0.5 }), row(3, "d")];
  const sorted = (name, descending) => turnsOf(arrange(turns, "", { name, descending }));

  assert.deepEqual([2, 1, 3, 0], sorted("confidence", false));
  assert.deepEqual([1, 3, 2, 0], sorted("confidence", true));
  assert.deepEqual([1, 0, 2, 3], sorted("transcript", false));
});

test("sorting from the order before gives what sorting anew gives", () => {
  const turns = Array.from({ length: 300 }, (_, i) => row(i, `w${(i * 7919) % 101}`, { n_words: i % 7 }));
  const sort = { name: "n_words", descending: true };
  const before = arrange(turns.slice(0, 250), "", sort);
  turns.splice(40, 3);
  turns[10].n_words = 99;

  assert.deepEqual(turnsOf(arrange(turns, "", sort)), turnsOf(arrange(turns, "", sort, before)));
});

test("a click sorts upwards, then downwards, then not", () => {
  const up = nextSort(null, "end_s");
  const down = nextSort(up, "end_s");

  assert.deepEqual([{ name: "end_s", descending: false }, { name: "end_s", descending: true }], [up, down]);
  assert.equal(null, nextSort(down, "end_s"));
  assert.deepEqual({ name: "n_words", descending: false }, nextSort(down, "n_words"));
});

test("CSV has the names of the DataFrame, and quotes what needs it", () => {
  assert.equal("turn_order,transcript\r\n0,yes\r\n", toCsv([row(0, "yes")], [column("turn_order"), column("transcript")]));
  assert.equal('0,"He said ""a, b""\n"', csv('He said "a, b"\n'));
});

test("a text that a spreadsheet would compute is kept from it, a negative number is not", () => {
  for (const text of ["=1+1", "+49 30", "-- no", "@SUM(A1)", " =1+1", "\t=1", "＝1+1"]) {
    assert.match(csv(text), /^0,"?'/, text);
  }
  assert.equal("0,a=b", csv("a=b"));
  assert.equal("-1.5\r\n", toCsv([row(0, "", { start_s: -1.5 })], [column("start_s")]).slice(9));
  assert.match(toCsv([row(0, "", { speaker: "=A" })], [column("speaker")]), /'=A/);
});

test("in Markdown only the table is Markdown", () => {
  const [, rule, line] = toMarkdown(
    [row(0, "a|b <script>\n*c* $d$")], [column("turn_order"), column("transcript")],
  ).split("\n");

  assert.equal("| ---: | --- |", rule);
  assert.equal("| 0 | a\\|b &lt;script&gt; \\*c\\* \\$d\\$ |", line);
});

test("a window has the rows that are seen and some around, and never more than there are", () => {
  assert.deepEqual({ first: 90, last: 120 }, windowOf(2700, 270, 27, 5000));
  assert.deepEqual({ first: 0, last: 20 }, windowOf(0, 270, 27, 5000));
  assert.deepEqual({ first: 0, last: 3 }, windowOf(99_999, 270, 27, 3));
  assert.deepEqual({ first: 0, last: 0 }, windowOf(0, 0, 27, 0));
});

test("turns are counted, with how many of them are shown", () => {
  assert.equal("1 turn", countText(1, 1));
  assert.equal("12 of 5,000 turns", countText(12, 5000));
});

test("the line of code is that of a recorder, or opens the folder again", () => {
  assert.equal("rec.session.turns", frameCode({ is_live: true, folder: "recordings/a" }));
  assert.equal("rec.session.turns", frameCode({ is_live: false, folder: "" }));
  assert.equal('nb.open("C:\\\\a \\"b\\"").turns', frameCode({ is_live: false, folder: 'C:\\a "b"' }));
});
