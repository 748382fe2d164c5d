// The pure parts of status.js.

import assert from "node:assert/strict";
import test from "node:test";

import {
  billed, isPlain, levelText, meterFraction, pressedBy,
} from "../../nbstream/front/status.js";

/** A key pressed on an element inside of `tags`, which are in the panel, or around it. */
function pressed(key, tags = [], more = {}, areAround = false) {
  const found = { closest: () => (areAround ? null : found) };
  const target = { closest: (list) => (tags.some((tag) => list.split(", ").includes(tag)) ? found : null) };
  const none = { ctrlKey: false, metaKey: false, altKey: false, shiftKey: false, repeat: false };
  return pressedBy({ key, target, ...none, ...more });
}

test("space records and stops, p pauses, m marks", () => {
  assert.equal(pressed(" "), ".nbs-record");
  assert.equal(pressed("p"), ".nbs-pause");
  assert.equal(pressed("M"), ".nbs-mark");
  assert.equal(pressed("x"), null);
});

test("a key that means something where it is pressed is not the panel's", () => {
  for (const tag of ["input", "textarea", "select", "summary", "[role=region]", "[role=grid]"]) {
    for (const key of [" ", "p", "m"]) assert.equal(pressed(key, [tag]), null);
  }
  assert.equal(pressed(" ", ["button"]), null); // the button itself is pressed by it
  assert.equal(pressed("m", ["button"]), ".nbs-mark");
  assert.equal(pressed(" ", ["[role=region]"], {}, true), ".nbs-record"); // a cell is a region
});

test("a shortcut, or a key that is held down, presses nothing", () => {
  for (const more of ["ctrlKey", "metaKey", "altKey", "shiftKey", "repeat"]) {
    assert.equal(pressed(" ", [], { [more]: true }), null);
  }
});

test("JupyterLab's own shortcuts stay its own, plain keys do not reach it", () => {
  const none = { ctrlKey: false, metaKey: false, altKey: false, shiftKey: false };
  assert.equal(isPlain({ ...none, key: "m" }), true);
  assert.equal(isPlain({ ...none, key: "s", ctrlKey: true }), false);
  assert.equal(isPlain({ ...none, key: "Enter", shiftKey: true }), false);
});

test("a level is a place on the meter and a word", () => {
  assert.equal(meterFraction(-60), 0);
  assert.equal(meterFraction(-96), 0);
  assert.equal(meterFraction(-30), 0.5);
  assert.equal(meterFraction(0), 1);
  assert.equal(levelText(-96, false), "silent");
  assert.equal(levelText(-12.4, false), "-12 dB");
  assert.equal(levelText(-0.1, true), "too loud");
});

test("billed time is said in minutes with its cost; what is free is said to be", () => {
  assert.equal(billed(90, 0.012), "1.5 min billed, about 0.01 USD");
  assert.equal(billed(null, 0), "not billed");
});
