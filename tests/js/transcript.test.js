import assert from "node:assert/strict";
import { test } from "node:test";

import { isAtEnd } from "../../nbstream/front/elements.js";
import { doubt } from "../../nbstream/front/line.js";
import { newestText } from "../../nbstream/front/transcript.js";
import { compare, lookAt, pieces, speakerOf, timeText, turnAt } from "../../nbstream/front/words.js";

const split = (text) => text.split(" ").filter(Boolean);
const changed = (old, fresh) =>
  compare(split(old), split(fresh)).flatMap((one, i) => (one.changed ? [split(fresh)[i]] : []));
const kept = (old, fresh) => compare(split(old), split(fresh)).map(({ from }) => from);
const spoken = (text, more = {}) => ({ text, start_s: 10, end_s: 20, words: null, ...more });

test("a word that stands for another has changed; one behind the others has only come", () => {
  assert.deepEqual(["world"], changed("hello wor", "hello world how are"));
  assert.deepEqual([], changed("", "hello there"));
  assert.deepEqual([], changed("so the", "so the first thing"));
  assert.deepEqual(["a"], changed("we saw cat", "we saw a cat"));
  assert.deepEqual(["ice", "cream"], changed("i i scream", "ice cream"));
});

test("a word that moves is still that word, and so is one that is formatted", () => {
  assert.deepEqual([0, -1, 1], kept("a c", "a b c"));
  assert.deepEqual([0, 2], kept("a b c", "a c"));
  assert.deepEqual([0, 1, 2], kept("yes it is", "Yes, it is."));
});

test("two long texts that have nothing in common are compared at once", () => {
  const words = (name) => Array.from({ length: 5000 }, (_, i) => `${name}${i}`);

  assert.ok(compare(words("a"), words("b")).every(({ changed }) => changed));
});

test("words have the spelling of the text, and their own times and confidence", () => {
  const words = [["hello", 10, 11, 0.9], ["world", 11, 12, 0.5]];

  assert.deepEqual(
    [["", "Hello,", 10, 0.9], [" ", "world!", 11, 0.5]],
    pieces(spoken("Hello, world!", { words })).map((p) => [p.before, p.text, p.start_s, p.confidence]),
  );
});

test("words of a script without blanks are found in the text", () => {
  const words = [["今日", 10, 11, 0.9], ["は", 11, 12, 0.9]];

  assert.deepEqual(["今日", "は。"], pieces(spoken("今日は。", { words })).map((p) => p.text));
});

test("where words have not come, their times follow from their place in the text", () => {
  assert.deepEqual([10, 15], pieces(spoken("abcd efgh")).map((p) => Math.floor(p.start_s)));
  assert.deepEqual([null], pieces(spoken("abcd", { start_s: null, end_s: null })).map((p) => p.start_s));
});

test("nothing of a text is lost, whatever its words are", () => {
  const text = "  It's -- 3.5 % of  A&B ";
  for (const words of [null, [], [["it's", 1, 2, 0.5]], [["nowhere", 1, 2, 0.5], ["", 2, 3, 0.5]]]) {
    const joined = pieces(spoken(text, { words })).map((p) => p.before + p.text).join("");
    assert.equal(text.trimEnd(), joined);
  }
});

test("the turn at a place is the one heard there; of two the later, between two none", () => {
  const turns = [[0, 5], [4, 8], [10, 12]].map(([start_s, end_s]) => ({ start_s, end_s }));

  assert.deepEqual([0, 1, 0, -1, 2], [1, 4.5, 3.9, 9, 10].map((at_s) => turnAt(turns, at_s)));
  assert.equal(-1, turnAt(turns, null));
  assert.equal(-1, turnAt([{ start_s: null, end_s: null }], 3));
});

test("looking at a turn shows some room around it, and leaves a range alone that does", () => {
  const looks = [];
  const store = { range: null, point: (at_s) => looks.push(at_s), look: (range) => looks.push(range) };
  const turn = { start_s: 100, end_s: 104 };

  lookAt(store, turn, 101);
  assert.deepEqual([101, { start_s: 97, end_s: 107 }], looks.splice(0));
  store.range = { start_s: 90, end_s: 120 };
  lookAt(store, turn);
  assert.deepEqual([100], looks.splice(0));
  store.range = { start_s: 0, end_s: 3600 };
  lookAt(store, turn);
  assert.equal(2, looks.length);
});

test("doubt begins below 0.6 and is strong below 0.4; what is unknown is not doubted", () => {
  assert.deepEqual(["", "", "1", "1", "2"], [null, 0.6, 0.59, 0.4, 0.39].map(doubt));
});

test("the way back says how much has come", () => {
  assert.equal("Newest", newestText(0));
  assert.equal("1,200 new", newestText(1200));
});

test("a turn is said by its label, else by its channel", () => {
  assert.equal("A", speakerOf({ speaker: "A", channel: 1 }));
  assert.equal("2", speakerOf({ speaker: null, channel: 1 }));
  assert.equal("", speakerOf({ speaker: null, channel: null }));
});

test("times are m:ss, from an hour on h:mm:ss, and nothing without one", () => {
  assert.deepEqual(["0:07", "59:59", "1:00:01", ""], [7.9, 3599, 3601, null].map(timeText));
});

test("a reader near the end follows, one who scrolled up does not", () => {
  assert.equal(true, isAtEnd({ scrollTop: 90, clientHeight: 100, scrollHeight: 200 }));
  assert.equal(false, isAtEnd({ scrollTop: 50, clientHeight: 100, scrollHeight: 200 }));
});
